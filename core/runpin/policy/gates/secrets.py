"""
Refuses texts that look like secrets, wherever they stand, by what detect-secrets knows about their forms.

Its detectors are used one by one, value by value. The library is loaded, which takes a while because it brings an
HTTP client along, only when something looks as if one of them could find it. Nothing is ever sent anywhere: whether a
secret still opens something is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runpin.model import Finding
from runpin.parsing.pointers import child, origin_of
from runpin.policy.options import texts

if TYPE_CHECKING:
    from runpin.cases import Case

DETECTORS: Mapping[tuple[str, str], str] = {
    ("artifactory", "ArtifactoryDetector"): "AKC[a-zA-Z0-9]{10,}",
    ("aws", "AWSKeyDetector"): (
        "(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}"
        "|(?i:aws.{0,20}(?:key|pwd|pw|password|pass|token).{0,20}[\"'][0-9a-z/+]{40}[\"'])"
    ),
    ("azure_storage_key", "AzureStorageKeyDetector"): "AccountKey=[a-zA-Z0-9+/=]{88}",
    ("basic_auth", "BasicAuthDetector"): r'://(?:[^\s"/@:]|\\")+:(?:[^\s"/@:]|\\")+@',
    # The first part is a number in base64.
    ("discord", "DiscordBotTokenDetector"): r"(?:[MNO][DTjz][AEIMQUYcgk][w-z0-5]){5}[\w-]{3,6}\.[\w-]{6}\.[\w-]{27}",
    ("github_token", "GitHubTokenDetector"): r"gh[pousr]_\w{36}",
    ("gitlab_token", "GitLabTokenDetector"): r"gl[a-z]{2,6}-[\w-]{20,}|GR1348941[\w-]{20,}",
    ("jwt", "JwtTokenDetector"): r"eyJ[\w=-]+\.[\w=-]+(?:\.[\w.+/=-]*)?",
    ("mailchimp", "MailchimpDetector"): "[0-9a-f]{32}-us[0-9]{1,2}",
    ("npm", "NpmDetector"): r"//[^\s\"]+/:_authToken=\S+",
    ("openai", "OpenAIDetector"): r"sk-[\w-]*T3BlbkFJ[\w]{20}",
    ("private_key", "PrivateKeyDetector"): "BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File-2",
    ("pypi_token", "PypiTokenDetector"): r"pypi-Ag[\w-]{70,}",
    ("sendgrid", "SendGridDetector"): r"SG\.[\w-]{22}\.[\w-]{43}",
    ("slack", "SlackDetector"): r"(?i:xox[abposr]-[0-9]+-[\w-]+|hooks\.slack\.com/services/[\w/]+)",
    ("square_oauth", "SquareOAuthDetector"): r"sq0csp-[\w\\-]{43}",
    ("stripe", "StripeDetector"): "[rs]k_live_[0-9a-zA-Z]{24}",
    ("telegram_token", "TelegramBotTokenDetector"): r"[0-9]{8,10}:AA[\w-]{33}",
    ("twilio", "TwilioKeyDetector"): "(?:AC|SK)[0-9a-f]{32}",
}
"""
The detectors in use, each with a pattern of RE2 that has to be found, too.

It takes linear time, which the library's own patterns do not, and it is stricter where those find ordinary names.
Left out are detectors that go by the name of a key, which is what the gate `references` does; those that find whatever
has much entropy, which every hash has; and the one for public addresses, which are no secrets.
"""

_AROUND = 256
"""Characters behind what a pattern found that a detector sees, too."""


@dataclass(frozen=True, slots=True)
class SecretsGate:
    """
    No value looks like a secret.

    Args:
        allow: values that do and are none, as `document#/pointer`.

    Raises:
        ValueError: an option cannot be used.
    """

    allow: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "allow", texts("allow", self.allow))

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return the values that look like secrets, with the kind of secret and nothing else of them."""
        found = []
        for name, document in case.documents.items():
            # One look over all of it: most documents are through then.
            if _compiled(_ANY).search(document.body.decode()) is None:
                continue
            for pointer, kind in _of_document(document.value):
                if f"{name}#{pointer}" not in self.allow:
                    origin = origin_of(document.origins, pointer)
                    message = f"this looks like a secret: {kind}"
                    found.append(Finding(name, pointer, "gate/secrets", message, origin, fix=_FIX))
        return found


_ANY = "|".join(f"(?:{pattern})" for pattern in DETECTORS.values())
_FIX = (
    "put it into a secret store, write a reference here, such as secret://store/name, and change the secret, which "
    "everybody knows now who can read the repository; if it is none, list the place under allow of the gate secrets"
)


def _of_document(value: Any) -> Iterator[tuple[str, str]]:
    for pointer, key, text in _texts(value):
        # Some secrets are known by their key only.
        line = f'{key}: "{text}"'
        if _compiled(_ANY).search(line) is not None:
            yield from ((pointer, kind) for kind in _kinds(line))


def _texts(value: Any, pointer: str = "", key: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield pointer, key and text of every text; the items of a list go by the list's key."""
    if isinstance(value, str):
        yield pointer, key, value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _texts(member, child(pointer, name), name)
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from _texts(item, child(pointer, index), key)


def _kinds(line: str) -> Iterator[str]:
    for (module, name), pattern in DETECTORS.items():
        if any(_is_secret(_detector(module, name), piece) for piece in _pieces(pattern, line)):
            yield str(_detector(module, name).secret_type)


def _is_secret(detector: Any, piece: str) -> bool:
    from detect_secrets.filters.heuristic import is_templated_secret

    found: Iterable[str] = detector.analyze_string(piece)
    return any(not is_templated_secret(each) for each in set(found))


def _pieces(pattern: str, line: str) -> Iterator[str]:
    for found in _compiled(pattern).finditer(line):
        yield line[max(found.start() - 1, 0) : found.end() + _AROUND]


@cache
def _detector(module: str, name: str) -> Any:
    return getattr(import_module(f"detect_secrets.plugins.{module}"), name)()


@cache
def _compiled(pattern: str) -> Any:
    import re2  # type: ignore[import-untyped] # it ships no types

    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    return re2.compile(pattern, options)
