"""From bytes to text that shows a reviewer everything it says."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE

from runpin.parsing.limits import Limits, code_point, hidden_in_file, refusal

_MARKS = (BOM_UTF8, BOM_UTF32_LE, BOM_UTF32_BE, BOM_UTF16_LE, BOM_UTF16_BE)


def decode(file: str, body: bytes, limits: Limits) -> str:
    """
    Return the text of *body*.

    Raises:
        ParseError: it is too long, not UTF-8, starts with a byte order mark,
            or holds a character that reviewers do not see.
    """
    if len(body) > limits.size:
        raise refusal(
            f"the file has {len(body)} bytes, at most {limits.size} are read",
            file,
            fix="split the document, or keep bulk data elsewhere and refer to it",
        )
    if body.startswith(_MARKS):
        raise refusal("the file starts with a byte order mark", file, 1, fix="save it as UTF-8 without a mark")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        # The error object holds the whole file, so it does not travel along.
        raise refusal("the file is not UTF-8", file, line, fix="save it as UTF-8") from None
    if hidden := hidden_in_file(text):
        line, column = position(text, hidden.start())
        raise refusal(
            f"the file holds the character {code_point(hidden[0])}, which reviewers do not see",
            file,
            line,
            column,
            fix="remove the character; in a quoted text write its escape if you need it",
        )
    return text


def position(text: str, offset: int) -> tuple[int, int]:
    """Return the line and column of *offset*, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
