"""Documents as assets: each has its digest as data version, so that Dagster sees which ones changed."""

from __future__ import annotations

from collections.abc import Iterator  # Dagster evaluates the annotations of what it calls
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dagster as dg  # noqa: TID253 - a code location imports this on top of Dagster

from dagster_runpin import tags
from dagster_runpin.lineage import config_asset_key, on_our_account
from runpin.errors import SettingsError, StoreUnavailable, UnknownChannel
from runpin.model import Scope
from runpin.reading import split_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runpin.assembly import Runpin
    from runpin.model import Channel, Commit, Digest, SnapshotId

    Metadata = dict[str, dg.MetadataValue[Any]]

ABSENT = "absent"
"""The data version of a document that the snapshot does not hold."""

_PUBLICATIONS = 100
"""How far back the commit of a snapshot is looked for."""


@dataclass(frozen=True, slots=True)
class Standing:
    """
    What a channel's snapshot holds.

    Attributes:
        scope: what the channel is of.
        channel: its name.
        revision: the revision that is meant.
        snapshot: where the channel stood then.
        documents: the digest of each document, by its name in the application.
    """

    scope: Scope
    channel: str
    revision: int
    snapshot: SnapshotId
    documents: Mapping[str, Digest]

    def version(self, name: str) -> str:
        """Return the digest of the document *name*, or `absent`."""
        return self.documents.get(name, ABSENT)

    def metadata(self, name: str, commit: Commit | None) -> Metadata:
        """Return what an observation of the document *name* tells people, *commit* being what it was made from."""
        label = tags.label(self.scope.application)
        return {
            label: dg.MetadataValue.text(str(self.snapshot)),
            f"{label}/{name}": dg.MetadataValue.text(self.version(name)),
            "channel": dg.MetadataValue.text(self.channel),
            "revision": dg.MetadataValue.int(self.revision),
            **({} if commit is None else _origin(commit)),
        }


def build_config_assets(
    documents: Sequence[str],
    *,
    name: str | None = None,
    resource_key: str = "runpin",
    group_name: str = "config",
    channel: str | None = None,
) -> dg.AssetsDefinition:
    """
    Return one asset for each of *documents*, with the key `config/<application>/<document>`.

        config_assets = build_config_assets(["payments/etl", "payments/fees"])

    They are observed, not materialised: by `build_config_sensor` whenever the channel moved, or in a run of their own.
    An observation tells where the channel stands; it pins nothing. The data version is the document's digest, so
    assets that depend on it become stale when the document changed, and not when another one of its application did.
    A document that is not there has the version `absent`.

    Args:
        documents: paths, for example `"payments/etl"`.
        name: of the observing op; one that names the applications by default.
        resource_key: where the `RunpinResource` is.
        group_name: the group that Dagster shows the assets in.
        channel: what is observed; the resource's channel by default.

    Raises:
        UnknownDocument: a path cannot be a document.
        SettingsError: there is no path, or two that Dagster cannot tell apart.
    """
    paths = _by_key(documents)
    applications = dict.fromkeys(split_path(path)[0] for path in paths.values())

    def observe() -> Iterator[dg.ObserveResult]:
        context = dg.AssetExecutionContext.get()
        core: Runpin = getattr(context.resources, resource_key).core
        yield from _observed(core, [paths[key] for key in sorted(context.selected_asset_keys)], channel)

    with on_our_account():
        defining: Any = dg.multi_observable_source_asset(
            specs=[_spec(key, path) for key, path in paths.items()],
            name=name or "_".join(["observe_config", *applications]).replace("-", "_"),
            group_name=group_name,
            can_subset=True,
            required_resource_keys={resource_key},
        )
        definition: dg.AssetsDefinition = defining(observe)
    return definition


def standing_of(core: Runpin, application: str, channel: str | None = None) -> Standing | None:
    """
    Return what the channel of *application* stands at now, None if nothing was published to it.

    Raises:
        StoreUnavailable: the store does not answer; what this host remembers is not what the channel is now.
        UnknownApplication, StoreCorrupt
    """
    scope = Scope(application, core.settings.environment, core.settings.tenant)
    try:
        found = core.resolver.present(scope, channel or core.settings.channel)
    except UnknownChannel:
        return None
    except StoreUnavailable as away:
        raise StoreUnavailable(
            "the store does not answer, so nobody can say where the channel stands",
            where=f"channel {channel or core.settings.channel!r} of {scope}",
            fix="try again; `runpin doctor` says what is away",
        ) from away
    return standing_at(core, found)


def standing_at(core: Runpin, channel: Channel) -> Standing:
    """
    Return what the snapshot of *channel* holds.

    Raises:
        UnknownSnapshot, StoreCorrupt, StoreUnavailable
    """
    snapshot = core.resolver.snapshot(channel.digest, channel.snapshot.sequence)
    return Standing(channel.scope, channel.name, channel.revision, channel.snapshot, snapshot.documents)


def commit_of(core: Runpin, standing: Standing) -> Commit | None:
    """
    Return the newest commit that made or confirmed the snapshot, None when that was long ago.

    Raises:
        StoreUnavailable
    """
    told = core.store.publications(standing.scope, _PUBLICATIONS)
    return next((each.commit for each in told if each.snapshot == standing.snapshot), None)


def _observed(core: Runpin, paths: Sequence[str], channel: str | None) -> Iterator[dg.ObserveResult]:
    for application in dict.fromkeys(split_path(path)[0] for path in paths):
        standing = standing_of(core, application, channel)
        commit = None if standing is None else commit_of(core, standing)
        for path in paths:
            owner, name = split_path(path)
            if owner == application:
                yield dg.ObserveResult(
                    asset_key=config_asset_key(path),
                    # Without a data version Dagster would take the document for a new one.
                    data_version=dg.DataVersion(ABSENT if standing is None else standing.version(name)),
                    metadata=None if standing is None else standing.metadata(name, commit),
                )


def _by_key(documents: Sequence[str]) -> dict[dg.AssetKey, str]:
    paths = {config_asset_key(path): path for path in documents}
    if not paths:
        raise SettingsError("no document is named", where="build_config_assets", fix='name some, like "payments/etl"')
    outputs: dict[str, str] = {}
    for path in paths.values():
        twin = outputs.setdefault(path.replace("-", "_"), path)
        if twin != path:
            raise SettingsError(
                f"Dagster cannot tell {twin!r} from {path!r} in one definition",
                where="build_config_assets",
                fix="build the assets of one of them in a second call, with a name of its own",
            )
    return paths


def _spec(key: dg.AssetKey, path: str) -> dg.AssetSpec:
    application, name = split_path(path)
    return dg.AssetSpec(
        key,
        description=f"The configuration document `{name}` of `{application}`, where its channel stands.",
        metadata={"runpin/document": path},
        kinds={"config"},
    )


def _origin(commit: Commit) -> Metadata:
    return {
        "commit": dg.MetadataValue.text(commit.sha),
        "repository": _linked(commit.repository),
        "author": dg.MetadataValue.text(commit.author),
        "message": dg.MetadataValue.text(commit.message),
    }


def _linked(repository: str) -> dg.MetadataValue[Any]:
    if not repository.startswith(("http://", "https://")):
        return dg.MetadataValue.text(repository)
    parts = urlsplit(repository)
    return dg.MetadataValue.url(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())
