"""The gates that keep secrets out of documents: what is taken for one, what is not, and what is a reference."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import runpin
from runpin.canonical import canonical, document_from
from runpin.model import Document, Origin
from runpin.policy.gates.references import ReferencesGate, names_a_secret
from runpin.policy.gates.secrets import DETECTORS, SecretsGate
from runpin.testing import case_of

SAMPLE = Path(runpin.__file__).parent / "sample"


def letters(count: int, seed: int = 7, alphabet: str = "") -> str:
    """Return letters and digits that nobody chose, the same in each run."""
    chosen = alphabet or "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return "".join(random.Random(seed).choices(chosen, k=count))  # noqa: S311 - nothing secret


def url_safe(content: Mapping[str, Any]) -> str:
    """Return a part of a JSON web token."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
HEX = "0123456789abcdef"
# Put together here, so that no file of ours looks as if it held one.
SECRETS: Mapping[str, tuple[str, str]] = {
    "Artifactory Credentials": ("x", "AKC" + letters(60)),
    "AWS Access Key": ("x", "AKIA" + letters(16, alphabet=UPPER)),
    "Azure Storage Account access key": (
        "x",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + letters(86) + "==",
    ),
    "Basic Auth Credentials": ("x", "postgresql://ada:" + letters(12) + "@db.example.org:5432/x"),
    "Discord Bot Token": ("x", f"{base64.b64encode(b'123456789012345678').decode()}.{letters(6)}.{letters(27)}"),
    "GitHub Token": ("x", "ghp_" + letters(36)),
    "GitLab Token": ("x", "glpat-" + letters(20)),
    "JSON Web Token": ("x", f"{url_safe({'alg': 'HS256'})}.{url_safe({'sub': 'ada'})}.{letters(43)}"),
    "Mailchimp Access Key": ("x", letters(32, alphabet=HEX) + "-us12"),
    "NPM tokens": ("x", "//registry.example.org/:_authToken=npm_" + letters(36)),
    "OpenAI Token": ("x", "sk-" + letters(20) + "T3BlbkFJ" + letters(20, 8)),
    "Private Key": ("x", "-----BEGIN EC PRIVATE" + " KEY-----\n" + letters(60)),
    "PyPI Token": ("x", "pypi-AgEIcHlwaS5vcmc" + letters(80)),
    "SendGrid API Key": ("x", f"SG.{letters(22)}.{letters(43)}"),
    "Slack Token": ("x", "xoxb" + f"-1234567890-{letters(24)}"),
    "Square OAuth Secret": ("x", "sq0csp-" + letters(43)),
    "Stripe Access Key": ("x", "sk_live_" + letters(24)),
    "Telegram Bot Token": ("x", "123456789:AA" + letters(33)),
    "Twilio API Key": ("x", "SK" + letters(32, alphabet=HEX)),
}


def kinds(documents: Mapping[str, Any], **options: Any) -> list[tuple[str, str, str]]:
    """Return document, pointer and kind of everything that is taken for a secret."""
    found = SecretsGate(**options).judge(case_of(documents))
    return [(each.document, each.pointer, each.message.removeprefix("this looks like a secret: ")) for each in found]


def test_there_is_a_sample_for_each_detector() -> None:
    """A detector that nobody tried may find nothing."""
    assert len(SECRETS) == len(DETECTORS)


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("around", ["", "see ", '"', "\n", "é "])
def test_each_kind_of_secret_is_found(kind: str, around: str) -> None:
    """By its form, wherever it stands, with whatever is around it."""
    key, secret = SECRETS[kind]

    assert [("etl", f"/deep/0/{key}", kind)] == kinds({"etl": {"deep": [{key: f"{around}{secret}{around[::-1]}"}]}})


def test_an_amazon_secret_is_known_by_its_key() -> None:
    """Forty letters are nothing by themselves."""
    secret = letters(40)

    assert [("etl", "/aws_secret_access_key", "AWS Access Key")] == kinds({"etl": {"aws_secret_access_key": secret}})
    assert [] == kinds({"etl": {"commit": secret}})


@pytest.mark.parametrize("kind", SECRETS)
def test_what_is_said_holds_nothing_of_the_secret(kind: str) -> None:
    """Neither the finding nor its advice has a part of it that is longer than its public prefix."""
    key, secret = SECRETS[kind]
    (finding,) = SecretsGate().judge(case_of({"etl": {key: secret}}))
    said = repr(finding)

    assert not [start for start in range(len(secret) - 11) if secret[start : start + 12] in said]


def test_a_finding_names_the_line() -> None:
    """The line that set the value, in whichever file that was."""
    read = document_from("etl", canonical({"x": SECRETS["GitHub Token"][1]}))
    document = Document("etl", read.value, read.body, read.digest, {"": Origin("a.yaml", 1), "/x": Origin("b.yaml", 7)})
    case = case_of({})
    case = type(case)(case.scope, case.point, {"etl": document}, case.commit)

    assert [Origin("b.yaml", 7)] == [each.origin for each in SecretsGate().judge(case)]


def test_a_place_can_be_allowed() -> None:
    """What looks like a secret and is none does not need the gate to be switched off."""
    token = SECRETS["GitHub Token"][1]
    documents = {"etl": {"a": token, "b": token}}

    assert [("etl", "/b", "GitHub Token")] == kinds(documents, allow=["etl#/a"])


def ordinary() -> Iterator[tuple[str, str]]:
    """Yield what configuration holds: five hundred of each kind."""
    chosen = random.Random(11)  # noqa: S311 - nothing secret
    for number in range(500):
        content = chosen.randbytes(chosen.randint(300, 1500))
        yield "sha256", hashlib.sha256(content).hexdigest()
        yield "md5", hashlib.md5(content, usedforsecurity=False).hexdigest()
        yield "digest", f"sha256:{hashlib.sha256(content).hexdigest()}"
        yield "integrity", f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"
        yield "uuid", str(uuid.UUID(bytes=chosen.randbytes(16), version=4))
        yield "thumbnail", f"data:image/png;base64,{base64.b64encode(content).decode()}"
        yield "base64", base64.urlsafe_b64encode(content).decode()
        yield "arn", f"arn:aws:iam::123456789012:role/payments-{number}-{chosen.randbytes(4).hex()}"
        yield "url", f"https://user@data.example.org:8443/v1/tables/{number}?from=2026-01-01&to=2026-02-01#top"
        yield (
            "bucket",
            f"s3://acme-data-prod-eu-west-1/payments/dt=2026-01-{number % 28 + 1:02}/part-{number:05}.parquet",
        )
        yield "table", f"analytics_prod.PAYMENTS_DAILY_SNAPSHOT_{number}.SETTLED_AMOUNT_CENTS"
        yield "dotted", f"com.example.payments.MonthlyReconciliationPipeline.{number}.transformations.SettlementFees"
        yield "jdbc", f"jdbc:postgresql://db-{number}.example.org:5432/payments?sslmode=verify-full"
        yield "template", f"postgresql://{{{{ user }}}}:{{{{ password }}}}@db-{number}.example.org/x"
        yield "variable", f"postgresql://app:${{PASSWORD_{number}}}@db.example.org/x"
        yield "placeholder", "amqp://<user>:<password>@queue.example.org"
        yield "cron", f"{number % 60} {number % 24} * * 1-5"
        yield "region", f"APAC2026Q{number % 4 + 1}Region{number}"
        yield "image", f"registry.example.org:5000/payments/etl:1.{number}.0@sha256:{content[:32].hex():0<64}"
        yield "time", f"2026-11-28T02:{number % 60:02}:00+00:00"
        yield "ids", f"{chosen.randint(10**8, 10**9)}:orders_of_the_last_thirty_days_by_country"
        yield "key", f"projects/acme/locations/eu/keyRings/data/cryptoKeys/payments-{number}"
        yield "comment", f"-- nightly: orders of country = 'DE' and batch = {number}, see runbook"
        yield "email", f"payments-{number}@example.org"


def test_ordinary_configuration_holds_no_secret() -> None:
    """Hashes, UUIDs, images, ARNs, addresses without a password, names of tables: nothing of it is found."""
    documents = {f"d{number}": {kind: text} for number, (kind, text) in enumerate(ordinary())}

    assert 12_000 == len(documents)
    assert [] == kinds(documents)


def test_the_sample_holds_no_secret() -> None:
    """What `runpin init` writes passes both gates."""
    documents = {path.stem: yaml.safe_load(path.read_text()) for path in SAMPLE.rglob("*.yaml")}

    assert documents
    assert [] == kinds(documents)
    assert () == tuple(ReferencesGate().judge(case_of(documents)))


@pytest.mark.parametrize("run", ["eyJ", "eyJa.b" + "eyJ", "://a:b@" + "://", "ghp_", "xoxb-1-", "AKC"])
def test_hostile_texts_take_no_long(run: str) -> None:
    """The library's own patterns take quadratic time on some texts; it never sees these whole."""
    text = (run * 22_000)[: 64 * 1024]

    kinds({"etl": {"x": [text, text + ".", text + "@"]}})


@pytest.mark.parametrize(
    "key",
    [
        *("password", "db_password", "dbPassword", "DB_PASSWORD", "db-password", "db.password", "password_prod"),
        *("passwd", "pwd", "passphrase", "secret", "client_secret", "clientSecret", "CLIENT_SECRET_2", "secretValue"),
        *("token", "accessToken", "api_token", "api_key", "apiKey", "APIKey", "api-keys", "apikey", "x-api-key"),
        *("private_key", "privateKey", "privateKeyBase64", "secret_access_key", "signing_key", "sharedAccessKey"),
        *("connection_string", "ConnectionString", "sql_conn_str", "encryption_key"),
        *("api__key", "APP__API__KEY", "access--key", "shared  key", "private\tkey"),
    ],
)
def test_keys_of_secrets_are_known(key: str) -> None:
    """Whole words in any case, with whatever is between them and what may follow."""
    assert names_a_secret(key)
    assert 1 == len(ReferencesGate().judge(case_of({"etl": {"above": {key: "hunter2"}}})))


@pytest.mark.parametrize(
    "key",
    [
        *("token_limit", "max_tokens", "maxTokens", "tokens", "tokenizer", "token_url", "pad_token", "eos_token"),
        *(
            "next_page_token",
            "stop_token",
            "input_token",
            "secret_name",
            "secretName",
            "secret_arn",
            "secret_id",
            "secretKeyRef",
        ),
        *("secrets_manager", "password_min_length", "password_file", "passwordless", "forgot_password_url", "compass"),
        *("primary_key", "partition_key", "sort_key", "public_key", "key", "keys", "foreign_key", "account_key"),
        *("api_key_id", "access_key_id", "private_key_path", "connection", "connection_pool", "monkey", "", "é", "7"),
    ],
)
def test_keys_that_only_mention_one_are_left_alone(key: str) -> None:
    """The last words say what a key is about."""
    assert not names_a_secret(key)


REFERENCES = (
    *("secret://vault/payments", "secret://vault/payments/db#3", "op://vault/item/field", "op://v/i/s/f"),
    *("vault:secret/data/payments#password", "vault://kv/payments", "projects/acme/secrets/db"),
    *("projects/acme/secrets/db/versions/7", "sm://projects/acme/secrets/db"),
    *(
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:payments/db-AbCdEf",
        "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/payments/db",
        "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        '{"uri":"https://payments.vault.azure.net/secrets/db/0123456789abcdef"}',
        '{ "uri": "https://payments.vault.azure.net/secrets/db" }',
        "@Microsoft.KeyVault(SecretUri=https://payments.vault.azure.net/secrets/db/)",
        "@Microsoft.KeyVault(VaultName=payments;SecretName=db)",
        "https://payments.vault.azure.net/secrets/db",
        "projects/acme/locations/eu/keyRings/data/cryptoKeys/payments",
    ),
)
PLAIN = (
    *("hunter2", "secret://", "secret://vault", "secret://vault/a b", "x secret://vault/a", "secret://vault/a\n"),
    *("vault:hunter2", "op://item", "${DB_PASSWORD}", "arn:aws:s3:::bucket/key", "projects/acme/topics/x"),
    *('{"uri":"https://p.vault.azure.net/secrets/db","password":"hunter2"}', "https://example.org/secrets/db"),
)


@pytest.mark.parametrize("text", REFERENCES)
def test_references_pass(text: str) -> None:
    """The forms of the stores that people use."""
    assert () == tuple(ReferencesGate().judge(case_of({"etl": {"password": text}})))


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_reference_is_denied(text: str) -> None:
    """A form that is not whole, or has something beside it, is none."""
    found = ReferencesGate().judge(case_of({"etl": {"password": text}}))

    assert [("gate/references", "/password")] == [(each.rule, each.pointer) for each in found]


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ({"password": None}, []),
        ({"password": ""}, []),
        ({"password": "  "}, []),
        ({"password": 7}, []),
        ({"password": {"name": "db", "key": "x"}}, []),
        ({"a": [{"token": "x"}, {"token": "secret://a/b"}]}, ["/a/0/token"]),
        ({"passwords": ["secret://a/b", "x", ["y"]]}, ["/passwords/1", "/passwords/2/0"]),
        ({"secrets": {"db": {"password": "x"}}}, ["/secrets/db/password"]),
        ({"a/b": {"api_key": "x"}}, ["/a~1b/api_key"]),
        ({"name": "password", "note": 'say "password": x'}, []),
    ],
)
def test_only_texts_under_such_keys_are_judged(document: Any, pointers: list[str]) -> None:
    """At any depth, in lists too; null, empty texts and numbers pass."""
    found = ReferencesGate().judge(case_of({"etl": document}))

    assert pointers == [each.pointer for each in found]


def test_more_forms_and_fewer_keys_can_be_declared() -> None:
    """A team's own form of reference, and a key that only sounds like a secret."""
    case = case_of({"etl": {"password": "${DB_PASSWORD}", "token": "comma"}})
    gate = ReferencesGate(also_accept=[r"^\$\{[A-Z_]+\}$"], not_keys=["token"])

    assert 2 == len(ReferencesGate().judge(case))
    assert [] == list(gate.judge(case))
