"""Event patterns, value by value, as EventBridge matches and refuses them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from localcloud.events.pattern import InvalidPattern, compile_pattern

MISSING = object()
VALUES = [MISSING, None, "", "a", "b", 5, 5.0, True, [], ["a", "b"], {}, {"k": "a"}, [{"k": "a"}]]
A, B, FIVE, FIVE_POINT_0, BOTH = 3, 4, 5, 6, 9

# Each row: the condition, and the positions in VALUES that it matches.
TABLE: list[tuple[Any, list[int]]] = [
    ("a", [A, BOTH]),
    ({"prefix": "a"}, [A, BOTH]),
    ({"suffix": "a"}, [A, BOTH]),
    ({"equals-ignore-case": "A"}, [A, BOTH]),
    ({"prefix": {"equals-ignore-case": "A"}}, [A, BOTH]),
    ({"suffix": {"equals-ignore-case": "A"}}, [A, BOTH]),
    (None, [1]),
    ("", [2]),
    (5, [FIVE, FIVE_POINT_0]),
    (5.0, [FIVE, FIVE_POINT_0]),
    ({"numeric": [">=", 5]}, [FIVE, FIVE_POINT_0]),
    ({"numeric": [">", 4, "<=", 5]}, [FIVE, FIVE_POINT_0]),
    ({"numeric": ["<", 5]}, []),
    ({"numeric": ["=", 1]}, []),
    (True, [7]),
    ({"prefix": ""}, [2, A, B, BOTH]),
    ({"wildcard": "*"}, [2, A, B, BOTH]),
    ({"wildcard": ""}, [2]),
    ({"exists": True}, [1, 2, A, B, FIVE, FIVE_POINT_0, 7, BOTH]),
    ({"exists": False}, [0, 8, 10, 11, 12]),
    ({"anything-but": "a"}, [1, 2, B, FIVE, FIVE_POINT_0, 7, BOTH]),
    ({"anything-but": {"prefix": "a"}}, [1, 2, B, FIVE, FIVE_POINT_0, 7, BOTH]),
    ({"anything-but": {"wildcard": "a*"}}, [1, 2, B, FIVE, FIVE_POINT_0, 7, BOTH]),
    ({"anything-but": {"suffix": ["a", "b"]}}, [1, 2, FIVE, FIVE_POINT_0, 7]),
    ({"anything-but": {"equals-ignore-case": ["A", "B"]}}, [1, 2, FIVE, FIVE_POINT_0, 7]),
    ({"anything-but": ["a", "b"]}, [1, 2, FIVE, FIVE_POINT_0, 7]),
    ({"anything-but": 5}, [1, 2, A, B, 7, BOTH]),
    ({"anything-but": "true"}, [1, 2, A, B, FIVE, FIVE_POINT_0, 7, BOTH]),
]


def matches(pattern: Any, event: Any) -> bool:
    return compile_pattern(json.dumps(pattern))(event)


@pytest.mark.parametrize("position", range(len(VALUES)))
@pytest.mark.parametrize(("condition", "matching"), TABLE, ids=lambda value: json.dumps(value))
def test_a_condition_matches_exactly_these_values(condition: Any, matching: list[int], position: int):
    value = VALUES[position]
    event = {"detail": {} if value is MISSING else {"x": value}}
    assert matches({"detail": {"x": [condition]}}, event) is (position in matching)


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ({"wildcard": "arn:*:role/a*"}, "arn:aws:iam::1:role/abc", True),
        ({"wildcard": "arn:*:role/a*"}, "arn:aws:iam::1:role/bc", False),
        ({"wildcard": r"a\*b\\c"}, r"a*b\c", True),
        ({"wildcard": r"a\*b"}, "axb", False),
        ({"wildcard": "a.c"}, "abc", False),
        ({"cidr": "10.0.0.1/24"}, "10.0.0.200", True),
        ({"cidr": "10.0.0.0/24"}, "10.0.1.1", False),
        ({"cidr": "10.0.0.0/24"}, "host", False),
        ({"cidr": "10.0.0.0/24"}, 167772161, False),
        ({"cidr": "2001:db8::/32"}, "2001:db8::1", True),
        ({"numeric": [">", 0]}, 2**53 + 2, False),
        ({"numeric": [">", 0]}, "8", False),
        ({"equals-ignore-case": "STRASSE"}, "straße", True),
        ("300", 300, False),
        ("true", True, False),
        (1, True, False),
        (0, False, False),
    ],
)
def test_a_condition_and_a_value(condition: Any, value: Any, expected: bool):
    assert matches({"x": [condition]}, {"x": value}) is expected


FINDINGS = {
    "findings": [{"status": "FAILED", "new": False}, {"status": "PASSED", "new": True, "tag": {"a": 1}}]
}


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ({"a": ["x"], "b": ["y"]}, {"a": "x", "b": "z"}, False),
        ({"a": ["x", "z"], "b": ["y"]}, {"a": "z", "b": "y", "c": 1}, True),
        ({"a": {"b": ["x"]}}, {"a": "x"}, False),
        ({"a": {"b": [{"exists": False}]}}, {}, True),
        ({"a": {"b": [{"anything-but": "x"}]}}, {}, False),
        ({"a": {"b": [{"anything-but": "x"}, {"exists": False}]}}, {}, True),
        ({"a.b": ["x"]}, {"a": {"b": "x"}}, True),
        ({"a": {"b": ["x"]}}, {"a.b": "x"}, True),
        ({"a.b": ["x"], "a": {"c": ["y"]}}, {"a": {"b": "x", "c": "y"}}, True),
        ({"a.b": ["x"], "a": {"c": ["y"]}}, {"a": {"b": "x", "c": "z"}}, False),
        ({"a.b.c": ["x"], "a": {"b": {"d": ["y"]}}}, {"a": {"b": {"c": "x", "d": "y"}}}, True),
        ({"a.b.c": ["x"], "a": {"b": {"d": ["y"]}}}, {"a": {"b": {"c": "z", "d": "y"}}}, False),
        ({"a": {"b.c": ["x"]}}, {"a.b": {"c": "x"}}, True),
        ({"a": ["x"]}, {"a": [["y"], ["x", ["z"]]]}, True),
        ({"a": {"b": ["x"]}}, {"a": [[{"b": "y"}], [{"b": "x"}]]}, True),
        ({"a": [{"exists": True}]}, {"a": [None]}, True),
        ({"a": [{"exists": True}]}, {"a": [{}, []]}, False),
        ({"findings": {"status": ["FAILED"], "new": [True]}}, FINDINGS, False),
        ({"findings": {"status": ["PASSED"], "new": [True]}}, FINDINGS, True),
        ({"findings": {"status": ["PASSED"], "tag": {"a": [1]}}}, FINDINGS, True),
        ({"findings": {"status": ["FAILED"], "tag": {"a": [1]}}}, FINDINGS, False),
        ({"findings": {"tag": {"a": [{"exists": True}]}}}, FINDINGS, True),
        ({"findings": {"status": ["FAILED"], "tag": {"a": [{"exists": False}]}}}, FINDINGS, True),
        ({"$or": [{"a": ["x"]}, {"b": [{"numeric": [">", 3]}]}]}, {"b": 4}, True),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}], "c": ["z"]}, {"a": "x"}, False),
        ({"d": {"$or": [{"a": ["x"]}, {"b": ["y"]}]}}, {"d": {"b": "y"}}, True),
        ({"d": {"$or": [{"a": ["x"]}, {"b": ["y"]}], "c": ["z"]}}, {"d": {"a": "x", "c": "z"}}, True),
        ({"$or": [{"a": {"b": ["x"]}}, {"a.c": ["y"]}]}, {"a": {"c": "y"}}, True),
        ({"$or": [{"a": ["x"], "b": ["y"]}, {"a": ["z"]}]}, {"a": "x", "b": "z"}, False),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}], "prefix": ["z"]}, {"a": "x", "prefix": "z"}, True),
        ({"$or": [{"$or": [{"a": ["x"]}, {"b": ["x"]}]}, {"c": ["x"]}]}, {"b": "x"}, True),
        ({"l": {"$or": [{"a": ["x"]}, {"b": ["y"]}], "c": ["z"]}}, {"l": [{"a": "x"}, {"c": "z"}]}, False),
    ],
)
def test_structure(pattern: Any, event: Any, expected: bool):
    assert matches(pattern, event) is expected


@pytest.mark.parametrize("number", ["300", "300.0", "3e2", "3.0E+2", "30000e-2"])
@pytest.mark.parametrize("condition", ["300", "300.00", "3e2", '{"numeric": ["=", 3.0e2]}'])
def test_the_notation_of_a_number_does_not_matter(condition: str, number: str):
    event = json.loads(f'{{"n": {number}, "other": {number}1}}')
    assert compile_pattern(f'{{"n": [{condition}]}}')(event)
    assert not compile_pattern(f'{{"n": [{{"anything-but": {number}}}]}}')(event)
    assert not compile_pattern(f'{{"other": [{condition}]}}')(event)


BY_OTHERS = {"detail": {"source": "Mend", "modified-by": "sts::1:assumed-role/Admin/alice"}}
BY_MEND = {"detail": {"source": "Mend", "modified-by": "sts::1:assumed-role/r-AB1/mend-prod-reconcile"}}


@pytest.mark.parametrize(
    "condition",
    [
        {"anything-but": {"wildcard": "*:assumed-role/*/mend-prod-*"}},
        {"anything-but": {"wildcard": ["*/mend-dev-*", "*/mend-prod-*"]}},
        {"anything-but": {"prefix": ["sts::1:assumed-role/r-AB1/", "sts::1:assumed-role/s-"]}},
        {"anything-but": {"suffix": "-reconcile"}},
        {"anything-but": {"equals-ignore-case": "STS::1:ASSUMED-ROLE/R-AB1/MEND-PROD-RECONCILE"}},
    ],
)
def test_anything_but_leaves_out_what_an_inner_test_takes(condition: dict[str, Any]):
    pattern = {"detail": {"source": ["Mend"], "modified-by": [condition]}}
    assert matches(pattern, BY_OTHERS)
    assert not matches(pattern, BY_MEND)
    assert not matches(pattern, {"detail": {"source": "Mend"}})


def test_the_last_of_two_equal_keys_of_a_pattern_wins():
    assert compile_pattern('{"a": ["x"], "a": ["y"]}')({"a": "y"})


@pytest.mark.parametrize(
    "pattern",
    [
        "{not json",
        '["a"]',
        '{"a": [NaN]}',
        '{"a": [Infinity]}',
        '{"a": ["x"], "a.b": ["y"]}',
        '{"a.b": ["y"], "a": ["x"]}',
        '{"a": {"b": {}}}',
        "{}",
        '{"detail": {}}',
        '{"a": "bare"}',
        '{"a": {"prefix": "bare"}}',
        '{"a": []}',
        '{"a": [["nested"]]}',
        '{"a": [{}]}',
        '{"a": [{"contains": "x"}]}',
        '{"a": [{"EXISTS": true}]}',
        '{"a": [{"exists": "true"}]}',
        '{"a": [{"prefix": "x", "suffix": "y"}]}',
        '{"a": [{"prefix": ["x"]}]}',
        '{"a": [{"suffix": 5}]}',
        '{"a": [{"suffix": [".png"]}]}',
        '{"a": [{"suffix": {"equals-ignore-case": ["x"]}}]}',
        '{"a": [{"prefix": {"equals-ignore-case": "x", "suffix": "y"}}]}',
        '{"a": [{"equals-ignore-case": {"prefix": "x"}}]}',
        '{"a": [{"equals-ignore-case": 5}]}',
        '{"a": [{"wildcard": 5}]}',
        '{"a": [{"wildcard": ["a*"]}]}',
        '{"a": [{"prefix": {"wildcard": "x"}}]}',
        '{"a": [{"equals-ignore-case": ["x"]}]}',
        '{"a": [{"wildcard": "a**b"}]}',
        r'{"a": [{"wildcard": "a\\b"}]}',
        '{"a": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}',
        '{"a": [{"anything-but": null}]}',
        '{"a": [{"anything-but": true}]}',
        '{"a": [{"anything-but": []}]}',
        '{"a": [{"anything-but": ["x", 5]}]}',
        '{"a": [{"anything-but": ["x", null]}]}',
        '{"a": [{"anything-but": {"prefix": ""}}]}',
        '{"a": [{"anything-but": {"suffix": ["x", ""]}}]}',
        '{"a": [{"anything-but": {"prefix": [5]}}]}',
        '{"a": [{"anything-but": {"prefix": "x", "suffix": "y"}}]}',
        '{"a": [{"anything-but": {"cidr": "10.0.0.0/24"}}]}',
        '{"a": [{"anything-but": {"exists": true}}]}',
        '{"a": [{"anything-but": {"equals-ignore-case": [1, 2]}}]}',
        '{"a": [{"anything-but": {"numeric": ["=", 5]}}]}',
        '{"a": [{"anything-but": {"prefix": {"equals-ignore-case": "x"}}}]}',
        '{"a": [{"numeric": ["=", "5"]}]}',
        '{"a": [{"numeric": ["!=", 5]}]}',
        '{"a": [{"numeric": ["<=", 5, ">", 0]}]}',
        '{"a": [{"numeric": [">", 5, "<", 5]}]}',
        '{"a": [{"numeric": ["=", 1, "<", 5]}]}',
        '{"a": [{"numeric": [">"]}]}',
        '{"a": [{"numeric": []}]}',
        '{"a": [{"numeric": 5}]}',
        '{"a": [{"numeric": [">", 0, "<"]}]}',
        '{"a": [{"numeric": [">", 0, ">", 1]}]}',
        '{"a": [{"numeric": [">", true]}]}',
        '{"a": [{"exists": null}]}',
        '{"a": [{"numeric": [">", 9007199254740993]}]}',
        '{"a": [{"cidr": "10.0.0.1"}]}',
        '{"a": [{"cidr": "10.0.0.1/32"}]}',
        '{"a": [{"cidr": "10.0.0/24"}]}',
        '{"a": [{"cidr": "10.0.0.0/255.255.255.0"}]}',
        '{"a": [{"cidr": "10.0.0.0/33"}]}',
        '{"a": [{"cidr": ["10.0.0.0/24"]}]}',
        '{"a": [{"cidr": "2001:db8::/128"}]}',
        '{"$or": [{"a": ["x"]}]}',
        '{"$or": {"a": ["x"]}}',
        '{"$or": [{"a": ["x"]}, {"prefix": ["x"]}]}',
        '{"$or": [{"a": ["x"]}, {}]}',
        '{"$or": [{"a": ["x"]}, {"exists": [true]}]}',
        '{"$or": [{"a": ["x"]}, {"b": {"c": {"regex": ["x"]}}}]}',
        '{"$or": []}',
        '{"$or": [{"a": ["x"]}, ["y"]]}',
        json.dumps({"a": ["x" * 2_048]}),
        json.dumps({f"k{i}": {"$or": [{"a": [1]}, {"b": [1]}]} for i in range(10)}),
    ],
)
def test_an_invalid_pattern_is_refused(pattern: str):
    with pytest.raises(InvalidPattern):
        compile_pattern(pattern)
