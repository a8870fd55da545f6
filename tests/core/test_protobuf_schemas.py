"""Documents are checked against Protobuf messages and the rules of protovalidate, in a child."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runpin.clock import SystemClock
from runpin.compiling import document_of
from runpin.compiling.schemas import ProtobufSchema, ProtoFile
from runpin.errors import CheckFailed, ModelRejected, ParseError
from runpin.parsing import parse
from runpin.sandbox import Limits, Sandbox
from runpin.validation import validate
from runpin.validation.faults import Refused
from runpin.validation.protobuf import program_of
from runpin.validation.protoc import compiled
from schema_files import checked, told
from world import World

CANARY = "hunter2-canary"
HEAD = 'syntax = "proto3";\n'
RULES = 'import "buf/validate/validate.proto";\n'
PATH = "schemas/payments.proto"
ETL = f"""{HEAD}package payments.v1;
{RULES}import "google/protobuf/duration.proto";
import "common.proto";
message Etl {{
  option (buf.validate.message).cel = {{id: "lo_hi", message: "lo is above hi", expression: "this.lo <= this.hi"}};
  option (buf.validate.message).cel = {{
    id: "tells", expression: "this.lo < 90 ? '' : 'lo is %s'.format([this.lo])"
  }};
  int32 batch_size = 1 [(buf.validate.field).int32 = {{gte: 0, lte: 100}}];
  int32 lo = 2;
  int32 hi = 3;
  repeated Host hosts = 4;
  map<int32, Host> by_port = 5;
  oneof target {{ string table = 6; string file = 7; }}
  google.protobuf.Duration wait = 8 [(buf.validate.field).duration.lt.seconds = 60];
  bytes salt = 9;
  double ratio = 10 [(buf.validate.field).double.finite = true];
  string owner = 11 [(buf.validate.field).cel_expression = "this != '{CANARY}'"];
  bool on = 12;
  int64 big = 13;
  map<string, int32> limits = 14;
  string mail = 15 [(buf.validate.field).string.email = true, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
}}
"""
COMMON = f"""{HEAD}package payments.v1;
{RULES}enum Kind {{ KIND_UNSPECIFIED = 0; FAST = 1; }}
message Host {{
  string name = 1 [(buf.validate.field).string = {{min_len: 1, pattern: "^[a-z.]+$"}}];
  Kind kind = 2;
  Host standby = 3;
  string zone = 4 [(buf.validate.field).required = true, json_name = "availabilityZone"];
}}
"""
FILES = {PATH: ETL, "schemas/common.proto": COMMON}
MESSAGE = f"{PATH}#payments.v1.Etl"
GOOD: dict[str, Any] = {"batchSize": 5}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return one sandbox for all tests here."""
    with Sandbox(SystemClock(), Limits(wall=5.0, cpu=4)) as made:
        yield made


def test_a_document_is_protobufs_own_json(sandbox: Sandbox) -> None:
    """Either name of a field, large integers and special numbers in quotes, durations, and keys of maps are taken."""
    document = {
        "batch_size": 5,
        "hosts": [{"name": "a", "availabilityZone": "z", "kind": "FAST", "standby": {"name": "b", "zone": "z"}}],
        "byPort": {"-80": {"name": "c", "zone": "z", "kind": 1}},
        "table": "t",
        "file": None,
        "wait": "3.5s",
        "salt": "AAE_",
        "big": "9007199254740993",
        "limits": {"a": "7"},
    }

    assert () == checked(sandbox, MESSAGE, document, FILES).findings


@pytest.mark.parametrize(
    ("change", "line", "pointer", "rule", "message", "fix"),
    [
        ({"batchsize": 1}, 3, "/batchsize", "unknown-field", "the key is not declared", "did you mean 'batch_size'?"),
        ({"a/b~": {"x": CANARY}}, 3, "/a~1b~0", "unknown-field", "the key is not declared", "remove it"),
        ({"batch_size": 6}, 3, "/batch_size", "duplicate-field", 'the same field as "batchSize"', "keep one of them"),
        ({"lo": CANARY}, 3, "/lo", "int32", "must be an integer that int32 holds", None),
        ({"lo": 1.5}, 3, "/lo", "int32", "must be an integer", None),
        ({"lo": 2**31}, 3, "/lo", "int32", "must be an integer", None),
        ({"lo": True}, 3, "/lo", "int32", "must be an integer", None),
        ({"lo": " 1_0"}, 3, "/lo", "int32", "must be an integer", None),
        ({"ratio": CANARY}, 3, "/ratio", "double", "must be a number", None),
        ({"on": "true"}, 3, "/on", "bool", "must be true or false", "write true or false, without quotes"),
        ({"owner": 424242}, 3, "/owner", "string", "must be a text", "put it in quotes"),
        ({"salt": CANARY + "!"}, 3, "/salt", "bytes", "must be bytes in base64", None),
        ({"wait": CANARY}, 3, "/wait", "google.protobuf.Duration", "must be a duration", None),
        ({"hosts": {"a": 1}}, 3, "/hosts", "repeated", "must be a list", None),
        ({"hosts": [CANARY]}, 4, "/hosts/0", "message", "must be a mapping", None),
        ({"limits": [CANARY]}, 3, "/limits", "map", "must be a mapping", None),
        ({"limits": {"a": CANARY}}, 4, "/limits/a", "int32", "must be an integer", None),
        ({"byPort": {"07": {}}}, 4, "/byPort/07", "map", "the name of the key must be an integer", "rename the key"),
        ({"table": "a", "file": "b"}, 3, "/table", "oneof", 'only one of "table", "file"', "keep one of them"),
        (
            {"hosts": [{"name": "a", "zone": "z", "kind": CANARY}]},
            7,
            "/hosts/0/kind",
            "enum",
            'must be one of "KIND_UNSPECIFIED", "FAST"',
            None,
        ),
    ],
)
def test_what_is_not_the_message_is_found_at_its_key(
    sandbox: Sandbox, change: Any, line: int, pointer: str, rule: str, message: str, fix: str | None
) -> None:
    """Everything is found at once, by the key as it is written, without what was found there."""
    (found,) = checked(sandbox, MESSAGE, {**GOOD, **change}, FILES).findings

    assert (line, pointer, f"protobuf/{rule}", fix) == (*told(found)[:3], found.fix)
    assert message in found.message
    assert CANARY not in repr(found)
    assert "424242" not in repr(found)


@pytest.mark.parametrize(
    ("change", "line", "pointer", "rule", "message"),
    [
        ({"batchSize": 101}, 2, "/batchSize", "int32.gte_lte", "greater than or equal to 0 and less than or equal to"),
        ({"lo": 5}, 1, "", "lo_hi", "lo is above hi"),
        ({"lo": 95, "hi": 96}, 1, "", "tells", 'must satisfy the rule "tells"'),
        ({"wait": "61s"}, 3, "/wait", "duration.lt", "must be less than 60s"),
        ({"ratio": "NaN"}, 3, "/ratio", "double.finite", "must be finite"),
        ({"owner": CANARY}, 3, "/owner", "cel", "must satisfy the rule"),
        ({"mail": CANARY}, 3, "/mail", "string.email", "must be a valid email address"),
        ({"hosts": [{"zone": "z"}]}, 4, "/hosts/0", "string.min_len", 'the key "name" is missing, and its default'),
        ({"hosts": [{"name": "a"}]}, 4, "/hosts/0", "required", 'the key "availabilityZone" is missing'),
        (
            {"byPort": {"80": {"name": CANARY, "zone": "z"}}},
            5,
            "/byPort/80/name",
            "string.pattern",
            "does not match regex pattern",
        ),
    ],
)
def test_a_broken_rule_is_found_at_its_key(
    sandbox: Sandbox, change: Any, line: int, pointer: str, rule: str, message: str
) -> None:
    """Rules of fields, of items and of the whole message lead to the document, and texts made by CEL are left out."""
    found = checked(sandbox, MESSAGE, {**GOOD, **change}, FILES).findings
    (first,) = [each for each in found if each.rule == f"protovalidate/{rule}"]

    assert (line, pointer) == told(first)[:2]
    assert message in first.message
    # The schema of this test has the canary in a rule of its own, which may be shown.
    assert rule == "cel" or CANARY not in repr(found)
    assert "95" not in first.message


def test_fields_that_older_editions_require_are_named(sandbox: Sandbox) -> None:
    """A missing field is found at the mapping that misses it, however deep, by the name the document would use."""
    old = """syntax = "proto2";
message A { required string q = 1; optional B b = 2; repeated B bs = 3; map<string, B> by = 4; }
message B { required int32 two_words = 1; optional int32 other_field = 2; }
"""
    document = {"b": {"other_field": 1}, "bs": [{"twoWords": 1}, {}], "by": {"k": {}}}
    found = checked(sandbox, "a.proto#A", document, {"a.proto": old}).findings

    assert [
        ("", 'the key "q" is missing'),
        ("/b", 'the key "two_words" is missing'),
        ("/bs/1", 'the key "twoWords" is missing'),
        ("/by/k", 'the key "twoWords" is missing'),
    ] == [(each.pointer, each.message) for each in found]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"ratio": NaN}', "not finite"),
        ('{"big": 9007199254740993}', "beyond 2**53 - 1"),
        ('{"lo": 1, "lo": 2}', "again"),
    ],
)
def test_what_json_cannot_hold_is_refused_before_any_schema(sandbox: Sandbox, document: str, said: str) -> None:
    """NaN, large integers without quotes and double keys are refused by the parser of documents."""
    (problem,) = checked(sandbox, MESSAGE, document, FILES).problems

    assert isinstance(problem, ParseError)
    assert said in str(problem)


def test_a_message_is_compiled_once() -> None:
    """The same files give the same program, whatever line of the manifest names them; other files another one."""
    schema, again = (ProtobufSchema("A", (ProtoFile("a.proto", "a.proto", f"{HEAD}message A{{}}".encode()),)),) * 2
    other = ProtobufSchema("A", (ProtoFile("a.proto", "a.proto", f"{HEAD}message A{{int32 x=1;}}".encode()),))

    assert program_of(schema) is program_of(again)
    assert program_of(schema) is not program_of(other)
    assert [[], ["x"]] == [
        [field.name for field in program_of(each).model.DESCRIPTOR.fields] for each in (again, other)
    ]


def test_two_commits_may_mean_two_things_by_one_name(sandbox: Sandbox) -> None:
    """A message of the same name with other rules is judged by these, in the same child."""
    counts = []
    for most in (10, 3, 10):
        field = f"int32 q = 1 [(buf.validate.field).int32.lte = {most}];"
        files = {"a.proto": f"{HEAD}{RULES}message A {{ {field} }}"}
        counts.append(len(checked(sandbox, "a.proto#A", {"q": 5}, files).findings))

    assert [0, 1, 0] == counts


def cel(expression: str, inside: str = "repeated int32 s = 3; A a = 4;") -> str:
    """Return a file whose message `A` has one rule."""
    rule = f'option (buf.validate.message).cel = {{id: "looks", expression: "{expression}"}};'
    return f"{HEAD}{RULES}message A {{ {inside}\n{rule} }}"


EXTENDED = """syntax = "proto2"; import "google/protobuf/descriptor.proto";
extend google.protobuf.MessageOptions { optional A o = 50000; }
message A { optional A a = 1; option (o) = {"""
LINKED = "".join(f"message M{i} {{ M{(i + 1) % 5000} x = 1; }}" for i in range(5000))
FLAT = "".join(f"message M{i} {{ int32 x = 1; }} M{i} m{i} = {i + 1};" for i in range(5000))


@pytest.mark.parametrize(
    ("proto", "message", "document", "place", "rule", "said"),
    [
        (f"{HEAD}message A {{\n int32 a = ;\n}}", "A", {}, "x/a.proto:3", "protobuf/compile", "Expected field number"),
        ("\x00\x01 ' \\", "A", {}, "x/a.proto:1", "protobuf/compile", ""),
        ("", "A", {}, "runpin.toml:5", "protobuf/message", "no message A"),
        (f"{HEAD}package p; message Etl {{}}", "p.Elt", {}, "runpin.toml:5", "protobuf/message", "no message p.Elt"),
        (f'{HEAD}import "b.proto";', "A", {}, "x/a.proto:2", "protobuf/import", 'the import "b.proto"'),
        (f'{HEAD}import "../../etc/passwd";', "A", {}, "x/a.proto:2", "protobuf/import", "leads to no file"),
        (f'{HEAD}import "/etc/passwd";', "A", {}, "x/a.proto:2", "protobuf/import", "leads to no file"),
        (f'{HEAD}import "cycle.proto";', "A", {}, "x/a.proto:2", "protobuf/compile", "recursively imports itself"),
        (f'{HEAD}import "broken.proto";', "A", {}, "x/broken.proto:2", "protobuf/compile", "Expected"),
        (f"{HEAD}message A {{ option (no).way = 1; }}", "A", {}, "x/a.proto:2", "protobuf/compile", "(no)"),
        (HEAD + "message M {" * 5000 + "}" * 5000, "M", {}, "x/a.proto:2", "protobuf/compile", "recursion limit"),
        (f"{HEAD}message A {{ {LINKED} M0 m = 1; }}", "A", {}, "runpin.toml:5", "protobuf/depth", "longer chain"),
        (f"{HEAD}message A {{ {FLAT} }}", "A", {"m4": {"x": CANARY}}, "payments/etl.json:3", "protobuf/int32", "int32"),
        (EXTENDED + "a{" * 5000 + "}" * 5000 + "}; }", "A", {}, "runpin.toml:5", "protobuf/compile", "crashes"),
        (cel("this.s +"), "A", {}, "x/a.proto:4", "protovalidate/rule", "Syntax error"),
        (cel("(" * 5000 + "true" + ")" * 5000), "A", {}, "x/a.proto:4", "protovalidate/rule", "recursion limit"),
        (cel("1/this.s[0] > 0"), "A", {"s": [0]}, "payments/etl.json:1", "protovalidate/looks", "cannot be evaluated"),
        (
            cel("this.s.all(a, this.s.all(b, this.s.all(c, a + b + c > 0)))"),
            "A",
            {"s": list(range(1, 2000))},
            "payments/etl.json:1",
            "protovalidate/looks",
            "too many steps",
        ),
        (
            f"{HEAD}{RULES}message A {{\n int32 q = 1 [(buf.validate.field).string.min_len = 3];}}",
            "A",
            {},
            "x/a.proto:4",
            "protovalidate/rule",
            "FieldRules.int32",
        ),
        (
            f'{HEAD}{RULES}message A {{ string q = 1 [(buf.validate.field).string.pattern = "(?=x"];}}',
            "A",
            {"q": CANARY},
            "x/a.proto:3",
            "protovalidate/rule",
            "invalid perl operator",
        ),
        (
            f"{HEAD}enum E {{ {''.join(f'V{i} = {i};' for i in range(15000))} }} message A {{ E e = 1; }}",
            "A",
            {"e": CANARY},
            "payments/etl.json:2",
            "protobuf/enum",
            "and 14988 more",
        ),
    ],
)
def test_a_hostile_schema_is_a_finding(
    sandbox: Sandbox, proto: str, message: str, document: Any, place: str, rule: str, said: str
) -> None:
    """Whatever is wrong with a schema is said with file and line; no path of this machine, no value."""
    beside = {"x/cycle.proto": f'{HEAD}import "x/a.proto";', "x/broken.proto": f"{HEAD}message"}
    found = checked(sandbox, f"x/a.proto#{message}", document, {"x/a.proto": proto, **beside}).findings
    first = next((each for each in found if each.rule == rule and said in each.message), None)

    assert first is not None, found
    assert place == str(first.origin)
    for unsaid in (CANARY, "/tmp", "runpin-", sys.prefix):  # noqa: S108 - looked for, not used
        assert unsaid not in repr(found)


def test_a_recursive_message_is_followed_as_deep_as_the_document_goes(sandbox: Sandbox) -> None:
    """A message may hold itself, in a field, a list and a map."""
    proto = f"{HEAD}message A {{ A a = 1; repeated A b = 2; map<string, A> c = 3; }}"
    document = {"a": {"a": {"b": [{}, {"c": {"k": {"zz": CANARY}}}]}}}
    (found,) = checked(sandbox, "a.proto#A", document, {"a.proto": proto}).findings

    assert "/a/a/b/1/c/k/zz" == found.pointer


def test_a_rule_that_takes_for_ever_refuses_the_check() -> None:
    """A text that doubles and doubles runs into the limits of the child, and the next check works."""
    grown = "[" + ",".join(["this.s + this.s + this.s + this.s"] * 200) + "]"
    proto = cel(grown + ".map(a, a + a + a + a + a + a)" * 3 + ".size() == 0", "string s = 1;")
    with Sandbox(SystemClock(), Limits(wall=2.0, cpu=2)) as sandbox:
        with pytest.raises(CheckFailed) as caught:
            checked(sandbox, "a.proto#A", {"s": "x" * 60_000}, {"a.proto": proto})
        after = checked(sandbox, MESSAGE, GOOD, FILES).findings

    assert ("payments/etl.json", ()) == (caught.value.where, after)


def test_a_crash_of_the_compiler_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler's folder goes away with it, and so does the process."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = ProtoFile("a.proto", "a.proto", f"{EXTENDED}{'a{' * 4000}{'}' * 4000}}}; }}".encode())
    with pytest.raises(Refused) as caught:
        compiled([file])

    assert ["the compiler crashes on the file"] == [fault.message for fault in caught.value.faults]
    assert [] == [*tmp_path.iterdir()]


def test_the_how_to_can_be_followed(sandbox: Sandbox) -> None:
    """The message in docs/how-to/schemas.md compiles, and its rules hold."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "schemas.md"
    proto = page.read_text(encoding="utf-8").partition("```proto\n")[2].partition("```")[0]
    document = {"batch_size": 0, "start_hour": 9, "endHour": 8}
    found = checked(sandbox, MESSAGE, document, {PATH: proto}).findings

    assert ["protovalidate/window", "protovalidate/int32.gte_lte"] == [each.rule for each in found]


def test_a_file_whose_name_is_an_option_is_a_file(sandbox: Sandbox) -> None:
    """Names of files never become options of the compiler."""
    name = "--python_out=x.proto"
    (found,) = checked(sandbox, f"{name}#A", {"z": 1}, {name: f"{HEAD}message A {{}}"}).findings

    assert "/z" == found.pointer


def test_files_that_are_too_large_or_too_many_are_refused(sandbox: Sandbox) -> None:
    """One file has a limit, and so has what it imports."""
    large = checked(sandbox, "a.proto#A", {}, {"a.proto": HEAD + " " * 300_000}).problems
    many = {f"f{i}.proto": HEAD for i in range(600)}
    imports = "".join(f'import "{name}";' for name in many)
    crowd = checked(sandbox, "a.proto#A", {}, {"a.proto": HEAD + imports, **many}).problems

    assert ["more than 262144 bytes"] == [each.what.removeprefix("the file has ") for each in large]
    assert ["more than 500 files are imported"] == [each.what for each in crowd]


@pytest.mark.parametrize("library", ["grpc_tools", "google.protobuf", "protovalidate"])
def test_a_missing_library_is_a_finding(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """It says which extra to install, it is no pass, and it is forgotten once the library is there."""
    file = ProtoFile("l.proto", "l.proto", f"{HEAD}message {library.replace('.', '_')} {{}}".encode())
    schema = ProtobufSchema(library.replace(".", "_"), (file,))
    document = document_of("etl", parse("etl.json", b"{}"))
    with monkeypatch.context() as without:
        without.setitem(sys.modules, library, None)
        (found,) = validate([document], {"etl": schema})

    assert ("l.proto", "protobuf/library") == (found.document, found.rule)
    assert library in found.message
    assert "pip install 'runpin[protobuf]'" in (found.fix or "")
    assert () == validate([document], {"etl": schema})


@pytest.fixture(scope="module")
def etl_class(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return the class that protoc generates for a message."""
    from grpc_tools import protoc  # type: ignore[import-untyped] # it ships no types

    folder = tmp_path_factory.mktemp("generated")
    proto = f"{HEAD}package runpin_tests; message Etl {{ int32 batch_size = 1; map<string, string> by = 2; }}"
    (folder / "runpin_tests_etl.proto").write_text(proto)
    assert 0 == protoc.main(["protoc", f"-I{folder}", f"--python_out={folder}", "runpin_tests_etl.proto"])
    sys.path.insert(0, str(folder))
    import runpin_tests_etl_pb2  # type: ignore[import-not-found] # made above

    yield runpin_tests_etl_pb2.Etl
    sys.path.remove(str(folder))


def test_a_run_reads_a_document_as_a_message(tmp_path: Path, etl_class: Any) -> None:
    """The answer is a message of the generated class; each reader has its own, since messages can be changed."""
    world = World(tmp_path)
    world.publish({"etl": {"batch_size": 2, "by": {"a": "b"}}})
    run = world.host().run("r1")
    first, second = (run.get_config("payments/etl", model=etl_class) for _ in range(2))
    first.batch_size = 7

    assert isinstance(second, etl_class)
    assert (2, {"a": "b"}) == (second.batch_size, dict(second.by))


def test_a_document_that_is_not_the_message_is_a_typed_error(tmp_path: Path, etl_class: Any) -> None:
    """Reading is strict, and the error names document and place and no value."""
    world = World(tmp_path)
    world.publish({"etl": {"batchSize": CANARY, "other": 1}})
    with pytest.raises(ModelRejected) as caught:
        world.host().run("r1").get_config("payments/etl", model=etl_class)

    assert "Etl does not accept the document: batchSize: must be an integer that int32 holds; other: " in str(
        caught.value
    )
    assert "payments/etl of payments.prod.v1." in str(caught.value.where)
    assert CANARY not in str(caught.value)
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)
