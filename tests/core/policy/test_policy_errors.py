"""Every kind of mistake in a policy document is found, and pointed at by file, line and column."""

from __future__ import annotations

import pytest

from nhictl.core.policy.document import parse_policy
from nhictl.errors import InputError

HEAD = """nhictl_policy: 1
tools:
  t: {args: {n: number, s: string, l: [string], u: {type: uri, optional: true}, o: {type: {f: string}}}, resource: uri}
  v: {args: {n: string}}
"""  # the next line is line 5
RULE = HEAD + "rules:\n  - id: A\n    effect: permit\n"  # the next line is line 8
K = "nhictl_policy: 1\ntools: {t: {args: {n: number}}, u: {}}\nclasses: {k: {tools: [t]}}\n"  # the next line is line 4
RAIL = "class: k, approved_by: a, expires: 2026-12-31, "
T_RULE = RULE + "    match: {tools: [t]}\n    when:\n"  # the next line is line 10

T = """nhictl_policy: 1
tools:
  t: {args: {n: number, c: string}, cost: {amount: args.n, currency: EUR}}
  w: {}
"""
L = T + "limits:\n  - "
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
P = "nhictl_policy: 1\ntools: {t: {}}\nclasses: {k: {tools: [t], impact: high}, m: {tools: [t]}}\napprovers:\n  - "
CASES: list[tuple[str, str, str, int, int]] = [
    # the document
    ("not a mapping", "- a\n", "a policy must be a mapping", 1, 1),
    ("no version", "id: x\n", "`nhictl_policy: 1` is missing", 1, 1),
    ("another version", "nhictl_policy: 2\n", "`nhictl_policy` must be 1", 1, 16),
    ("version as text", "nhictl_policy: '1'\n", "`nhictl_policy` must be 1", 1, 16),
    ("unknown key", HEAD + "ruels: []\n", "unknown key `ruels`", 5, 1),
    ("duplicate key", HEAD + "tools: {}\n", "duplicate key `tools`", 5, 1),
    ("default allow", HEAD + "default: allow\n", "`default` can only be `deny`", 5, 10),
    ("unknown time zone", HEAD + "timezone: Europe/Berlim\n", "unknown time zone `Europe/Berlim`", 5, 11),
    ("time zone as a path", HEAD + "timezone: ../../etc/passwd\n", "unknown time zone", 5, 11),
    ("empty rules", HEAD + "rules: []\n", "`rules` must not be empty", 5, 8),
    ("rules as mapping", HEAD + "rules: {a: 1}\n", "`rules` must be a list", 5, 8),
    # not yet
    # costs and limits
    ("cost without currency", T + "  v: {args: {n: number}, cost: {amount: args.n}}\n", "lacks `currency`", 5, 32),
    ("cost of nothing", T + "  v: {cost: {amount: args.n, currency: EUR}}\n", "`args.n` is no number argument", 5, 22),
    ("cost of a text", T + "  v: {args: {n: string}, cost: {amount: args.n, currency: EUR}}\n", "no number argument", 5, 41),
    ("cost left out", T + "  v: {args: {n: {type: number, optional: true}}, cost: {amount: args.n, currency: EUR}}\n",
     "`args.n` is optional", 5, 65),
    ("cost below nothing", T + "  v: {cost: {amount: -1, currency: EUR}}\n", "a cost is not negative", 5, 22),
    ("cost in a number", T + "  v: {args: {n: number}, cost: {amount: 1, currency: args.n}}\n", "no string argument", 5, 54),
    ("limit of nothing", L + "{id: A, per: task}\n", "a limit counts nothing", 6, 5),
    ("limit for nobody", L + "{id: A, calls: 1}\n", "a limit lacks `per`", 6, 5),
    ("limit per moon", L + "{id: A, per: moon, calls: 1}\n", "`per` must be one of task, agent", 6, 18),
    ("limit twice", L + "{id: A, per: task, calls: 1}\n  - {id: A, per: task, calls: 1}\n", "duplicate limit `A`", 7, 10),
    ("limit named as a rule", L + "{id: A, per: task, calls: 1}\nrules: [{id: A, effect: permit}]\n",
     "is the id of a rule", 6, 10),
    ("limit of text", L + "{id: A, per: task, calls: '1'}\n", "`calls` must be a whole number", 6, 31),
    ("limit below nothing", L + "{id: A, per: task, bytes_out: -1}\n", "`bytes_out` must be a whole number", 6, 35),
    ("limit of a flag", L + "{id: A, per: task, calls: true}\n", "`calls` must be a whole number", 6, 31),
    ("limit of unpriced tools", L + "{id: A, per: task, match: {tools: [w]}, spend: {unit: EUR, max: 1}}\n",
     "none of the tools it matches has a `cost`", 6, 52),
    ("limit in another unit", L + "{id: A, per: task, spend: {unit: USD, max: 1}}\n",
     "costs EUR, which USD cannot count", 6, 38),
    ("limit of quoted money", L + "{id: A, per: task, spend: {unit: EUR, max: '1'}}\n", "`max` must be a number", 6, 48),
    ("limit of negative money", L + "{id: A, per: task, spend: {unit: EUR, max: -1}}\n", "must not be negative", 6, 48),
    ("limit by clock", L + "{id: A, per: task, calls: 1, window: 24:00}\n", "`window`: not a duration", 6, 42),
    ("limit by number", L + "{id: A, per: task, calls: 1, window: 60}\n", "`window` must be a string", 6, 42),
    ("limit for an age", L + "{id: A, per: task, calls: 1, window: 999d}\n", "`window` is 1s to 366d", 6, 42),
    ("limit on no tool", L + "{id: A, per: task, calls: 1, match: {tools: [x]}}\n", "no declared tool is called `x`", 6, 50),
    ("limit on no class", L + "{id: A, per: task, calls: 1, match: {classes: [x]}}\n", "no class is called `x`", 6, 52),
    ("limit on no argument", L + "{id: A, per: task, calls: 1, when: {args.q: {eq: 1}}}\n", "declares no argument `q`", 6, 41),
    ("limits as mapping", T + "limits: {A: {per: task}}\n", "`limits` must be a list", 5, 9),
    # people
    ("opener by name", T + "openers: [{uid: [root]}]\n", "a user id is a whole number", 5, 18),
    ("opener nobody", T + "openers: [{agents: [a]}]\n", "an opener lacks `uid`", 5, 11),
    ("opener of no argument", T + "openers: [{uid: [1], scope: ['t?args.q<=1']}]\n", "column 3", 5, 30),
    ("opener of text for number", T + "openers: [{uid: [1], scope: ['t?args.n<=x']}]\n", "is not a number", 5, 30),
    ("opener twice", T + "openers: [{uid: [1]}, {uid: [1]}]\n", "stands here twice", 5, 23),
    ("approver without proof", P + "{name: a, classes: [k]}\n", "neither `key` nor `uid`", 5, 5),
    ("approver of nothing", P + "{name: a, uid: [1]}\n", "may approve nothing", 5, 5),
    ("approver of no class", P + "{name: a, uid: [1], classes: [x]}\n", "no class is called `x`", 5, 35),
    ("approver without a key", P + "{name: a, uid: [1], classes: [k]}\n",
     "is high-impact, and approver `a` has no `key`", 5, 35),
    ("approver without impact", P + "{name: a, uid: [1], classes: [m]}\n",
     "is high-impact, and approver `a` has no `key`", 5, 35),
    ("approver of the world", P + "{name: a, uid: [1], acts: [world]}\n", "`world` is nothing to approve", 5, 32),
    ("approver by private key", P + "{name: a, acts: [redact], key: '-----BEGIN OPENSSH PRIVATE KEY-----'}\n",
     "is a private one", 5, 36),
    ("approver by RSA", P + "{name: a, acts: [redact], key: ssh-rsa AAAA}\n", "is no `ssh-ed25519` line", 5, 36),
    ("approver by a broken key", P + "{name: a, acts: [redact], key: ssh-ed25519 AAAA}\n", "is no Ed25519 key", 5, 36),
    ("approver by small order", P + "{name: a, acts: [redact], key: {kty: OKP, crv: Ed25519, x: " + "A" * 43 + "}}\n",
     "the key", 5, 36),
    ("two of one key", P + f"{{name: a, acts: [redact], key: {SSH}}}\n  - {{name: b, acts: [redact], key: {SSH}}}\n",
     "`b` and `a` have the same key", 6, 36),
    ("approver twice", P + "{name: a, uid: [1], acts: [redact]}\n  - {name: a, uid: [2], acts: [redact]}\n",
     "duplicate approver `a`", 6, 12),
    # assertions
    ("assertions as mapping", HEAD + "assertions: {}\n", "`assertions` must be a list", 5, 13),
    ("empty assertions", HEAD + "assertions: []\n", "`assertions` must not be empty", 5, 13),
    ("assertion of nothing", HEAD + "assertions: [{owner: a}]\n", "an assertion lacks `never`", 5, 14),
    ("assertion that matches all", HEAD + "assertions: [{never: {}}]\n", "`match` must not be empty", 5, 22),
    ("unknown key in an assertion", HEAD + "assertions: [{never: {agents: [a]}, ownr: b}]\n", "unknown key `ownr`", 5, 37),
    ("unknown match in an assertion", HEAD + "assertions: [{never: {agent: [a]}}]\n", "unknown key `agent`", 5, 23),
    ("assertion about no tool", HEAD + "assertions: [{never: {tools: [nope]}}]\n", "no declared tool is called `nope`", 5, 31),
    ("assertion about no class", HEAD + "assertions: [{never: {classes: [nope]}}]\n", "no class is called `nope`", 5, 33),
    ("assertion on no fact", HEAD + "assertions: [{never: {agents: [a]}, when: {agent.nme: {eq: b}}}]\n",
     "no fact is called `agent.nme`", 5, 44),
    # classes and guardrails
    ("unknown class", RULE + "    match: {classes: [a]}\n", "no class is called `a`", 8, 23),
    ("class of other tools", K + "rules: [{id: A, effect: permit, match: {classes: [k], tools: [u]}}]\n",
     "none of the tools of class `k` is selected", 4, 51),
    ("class order", K + "rules: [{id: A, effect: permit, when: {class: {lt: k}}}]\n", "operator `lt`", 4, 48),
    ("empty class", "nhictl_policy: 1\nclasses: {k: {}}\n", "class `k` lacks `tools`", 2, 14),
    ("class of nothing", "nhictl_policy: 1\nclasses: {k: {tools: [x.*]}}\n", "no declared tool is called `x.*`", 2, 23),
    ("class name", "nhictl_policy: 1\ntools: {t: {}}\nclasses: {'k*': {tools: [t]}}\n", "no class name", 3, 11),
    ("impact", "nhictl_policy: 1\ntools: {t: {}}\nclasses: {k: {tools: [t], impact: huge}}\n", "`impact` must be one", 3, 35),
    ("requires", "nhictl_policy: 1\ntools: {t: {}}\nclasses: {k: {tools: [t], requires: luck}}\n",
     "`requires` must be one", 3, 37),
    ("unknown key in a class", "nhictl_policy: 1\ntools: {t: {}}\nclasses: {k: {tools: [t], require: luck}}\n",
     "unknown key `require`", 3, 27),
    ("class twice", K + "classes: {}\n", "duplicate key `classes`", 4, 1),
    *[(what, K + f"guardrails:\n  G: {{{text}}}\n", why, 5, column) for what, text, why, column in [
        ("guardrail class", "class: x, approved_by: a, expires: 2026-12-31, within: {args.n: {lte: 1}}",
         "no class is called `x`", 14),
        ("guardrail bound", RAIL + "within: {}", "`within` must not be empty", 62),
        ("guardrail without end", "class: k, approved_by: a, within: {args.n: {lte: 1}}", "guardrail `G` lacks `expires`", 6),
        ("guardrail by nobody", "class: k, expires: 2026-12-31, within: {args.n: {lte: 1}}", "lacks `approved_by`", 6),
        ("guardrail any", RAIL + "within: {any: [{args.n: {lte: 1}}]}", "not for `within`", 63),
        ("guardrail fact", RAIL + "within: {args.m: {lte: 1}}", "declares no argument `m`", 63),
        ("guardrail type", RAIL + "within: {args.n: {lte: x}}", "(`args.n`)", 77),
        ("guardrail end", "class: k, approved_by: a, expires: 31.12.2026, within: {args.n: {lte: 1}}", "is no", 42),
        ("guardrail day", "class: k, approved_by: a, expires: 2026-02-30, within: {args.n: {lte: 1}}", "is no date", 42),
        ("guardrail month", "class: k, approved_by: a, expires: 2026-2-003, within: {args.n: {lte: 1}}", "is no date", 42),
    ]],
    # tools
    ("tool with a space", "nhictl_policy: 1\ntools:\n  'a b': {}\n", "no tool name", 3, 3),
    ("tool with a star", "nhictl_policy: 1\ntools: {'a*': {}}\n", "no tool name", 2, 9),
    ("unknown type", "nhictl_policy: 1\ntools: {t: {args: {n: float}}}\n", "unknown type `float`", 2, 23),
    ("unknown key in a tool", "nhictl_policy: 1\ntools: {t: {arg: {}}}\n", "unknown key `arg`", 2, 13),
    ("object without type", "nhictl_policy: 1\ntools: {t: {args: {n: {a: string}}}}\n", "unknown key `a`", 2, 24),
    ("list of objects", "nhictl_policy: 1\ntools: {t: {args: {n: [{a: string}]}}}\n", "a list of objects", 2, 24),
    ("list of lists", "nhictl_policy: 1\ntools: {t: {args: {n: [[string]]}}}\n", "a list of lists", 2, 24),
    ("list of two types", "nhictl_policy: 1\ntools: {t: {args: {n: [string, number]}}}\n", "exactly one type", 2, 23),
    ("fold on a number", "nhictl_policy: 1\ntools: {t: {args: {n: {type: number, fold: true}}}}\n",
     "`fold` is for strings", 2, 44),
    ("optional as text", "nhictl_policy: 1\ntools: {t: {args: {n: {type: uri, optional: 'yes'}}}}\n",
     "must be true or false", 2, 45),
    ("argument with a dot", "nhictl_policy: 1\ntools: {t: {args: {a.b: uri}}}\n", "no argument name", 2, 20),
    ("unknown resource", "nhictl_policy: 1\ntools: {t: {resource: url}}\n", "unknown resource `url`", 2, 23),
    ("template over nothing", "nhictl_policy: 1\ntools: {t: {resource: 's3://{args.b}/x'}}\n", "`args.b`, which is not", 2, 23),
    ("template never normal", "nhictl_policy: 1\ntools: {t: {args: {b: string}, resource: 's3://x/../{args.b}'}}\n",
     "`..` segment", 2, 42),
    ("template malformed", "nhictl_policy: 1\ntools: {t: {args: {b: string}, resource: 's3://{b}'}}\n",
     "not `{args.NAME}`", 2, 42),
    # data
    ("sensitivity unknown", HEAD + "data:\n  s3://a: secret\n", "sensitivity must be one of", 6, 11),
    ("resource not normal", HEAD + "data:\n  s3://a/../b: public\n", "`..` segment", 6, 3),
    ("duplicate after normal form", HEAD + "data:\n  s3://a: public\n  S3://A/: public\n", "duplicate resource `s3://a`", 7, 3),
    # rules
    ("no id", HEAD + "rules:\n  - effect: permit\n", "a rule lacks `id`", 6, 5),
    ("no effect", HEAD + "rules:\n  - id: A\n", "a rule lacks `effect`", 6, 5),
    ("effect", HEAD + "rules:\n  - id: A\n    effect: allow\n", "`effect` must be", 7, 13),
    ("id as number", HEAD + "rules:\n  - id: 7\n", "lacks `effect`", 6, 5),
    ("id not text", HEAD + "rules:\n  - {id: 7, effect: permit}\n", "`id` must be a string", 6, 10),
    ("id with a space", HEAD + "rules:\n  - {id: a b, effect: permit}\n", "must not hold spaces", 6, 10),
    ("duplicate id", RULE + "  - {id: A, effect: forbid}\n", "duplicate rule `A`", 8, 10),
    ("mis-indented match", RULE + "    agents: [a]\n", "unknown key `agents`", 8, 5),
    ("empty match", RULE + "    match: {}\n", "`match` must not be empty", 8, 12),
    ("null match", RULE + "    match:\n", "`match` must be a mapping", 8, 11),
    ("empty agents", RULE + "    match: {agents: []}\n", "`agents` must not be empty", 8, 21),
    ("agents as text", RULE + "    match: {agents: bot}\n", "`agents` must be a list", 8, 21),
    ("duplicate agent", RULE + "    match: {agents: [a, a]}\n", "duplicate `a`", 8, 25),
    ("trust out of range", RULE + "    match: {min_trust: 4}\n", "`min_trust` must be", 8, 24),
    ("undeclared tool", RULE + "    match: {tools: [t, x]}\n", "no declared tool is called `x`", 8, 24),
    ("glob without a tool", RULE + "    match: {tools: ['x.*']}\n", "no declared tool is called `x.*`", 8, 21),
    ("empty obligations", RULE + "    obligations: []\n", "`obligations` must not be empty", 8, 18),
    ("obligation without type", RULE + "    obligations: [{to: x}]\n", "an obligation lacks `type`", 8, 19),
    # conditions
    ("empty when", RULE + "    when: {}\n", "`when` must not be empty", 8, 11),
    ("empty any", RULE + "    when: {any: []}\n", "`any` must not be empty", 8, 17),
    ("empty alternative", RULE + "    when: {any: [{}]}\n", "must not be empty", 8, 18),
    ("nested any", RULE + "    when: {any: [{any: [{tool: {eq: t}}]}]}\n", "`any` stands once", 8, 19),
    ("seventeen boxes", RULE + "    when: {any: [" + "{tool: {eq: t}}, " * 17 + "]}\n", "more than 16", 8, 17),
    ("unknown fact", RULE + "    when: {agent.nam: {eq: x}}\n", "no fact is called `agent.nam`", 8, 12),
    ("undeclared argument", T_RULE + "      args.x: {eq: 1}\n", "declares no argument `x`", 10, 7),
    ("argument of one tool only", RULE + "    when: {args.s: {eq: x}}\n", "tool `v` declares no argument `s`", 8, 12),
    ("condition on a whole object", T_RULE + "      args.o: {has: true}\n", "declares no argument `o`", 10, 7),
    ("undeclared field", T_RULE + "      args.o.g: {eq: x}\n", "declares no argument `o.g`", 10, 7),
    ("unknown operator", T_RULE + "      args.n: {lte: 1, less: 2}\n", "unknown key `less`", 10, 24),
    ("regular expression", T_RULE + "      args.s: {matches: '.*'}\n", "unknown key `matches`", 10, 16),
    ("no operator", T_RULE + "      args.n: {absent_ok: true}\n", "has no operator", 10, 15),
    ("shorthand", T_RULE + "      args.s: EUR\n", "must be a mapping", 10, 15),
    ("order on text", T_RULE + "      args.s: {lt: a}\n", "operator `lt` does not fit a string", 10, 16),
    ("under on text", T_RULE + "      args.s: {under: a}\n", "operator `under` does not fit a string", 10, 16),
    ("starts_with on a uri", T_RULE + "      args.u: {starts_with: 's3://a'}\n",
     "operator `starts_with` does not fit a uri", 10, 16),
    ("text for a number", T_RULE + "      args.n: {lte: '5'}\n", "`5` is not a number", 10, 21),
    ("text among numbers", T_RULE + "      args.n: {in: [1, x]}\n", "`x` is not a number", 10, 24),
    ("scalar for in", T_RULE + "      args.n: {in: 1}\n", "`in` wants a list", 10, 20),
    ("empty in", T_RULE + "      args.n: {in: []}\n", "`in` wants a list with at least one", 10, 20),
    ("empty starts_with", T_RULE + "      args.s: {starts_with: ''}\n", "`starts_with` wants a text", 10, 29),
    ("prefix of another kind", T_RULE + "      args.u: {under: /etc}\n", "is not a uri", 10, 23),
    ("prefix not normal", T_RULE + "      resource: {under: 's3://a/../b'}\n", "`..` segment", 10, 25),
    ("glob that never matches", T_RULE + "      args.u: {glob: 'S3://a/*'}\n", "not in normal form", 10, 22),
    ("uri not normal", T_RULE + "      args.u: {eq: 'https://a@b/'}\n", "userinfo", 10, 20),
    ("has as text", T_RULE + "      args.u: {has: 'yes'}\n", "`has` wants true or false", 10, 21),
    ("absent_ok with has", T_RULE + "      args.u: {has: true, absent_ok: true}\n", "contradict", 10, 27),
    ("same_as nothing", T_RULE + "      args.s: {same_as: agent.nam}\n", "no fact is called `agent.nam`", 10, 25),
    ("same_as another type", T_RULE + "      args.n: {same_as: args.s}\n", "cannot be compared", 10, 25),
    ("same_as a list", T_RULE + "      args.s: {same_as: agent.groups}\n", "cannot be compared", 10, 25),
    ("sensitivity unknown in when", T_RULE + "      data.sensitivity: {lte: secret}\n", "is none of public", 10, 31),
    ("boolean order", T_RULE + "      agent.attested: {lt: true}\n", "does not fit a boolean", 10, 24),
    ("over midnight", T_RULE + "      time: {from: '22:00', to: '06:00'}\n", "does not run over midnight", 10, 20),
    ("empty window", T_RULE + "      time: {from: '08:00', to: '08:00'}\n", "`from` must be before `to`", 10, 20),
    ("no such time", T_RULE + "      time: {from: '08:60'}\n", "no time of day `08:60`", 10, 20),
    ("time as number", T_RULE + "      time: {from: 800}\n", "`from` must be a string", 10, 20),
    ("no such day", T_RULE + "      time: {days: [mon, mo]}\n", "`mo` is no day", 10, 26),
    ("empty time", T_RULE + "      time: {}\n", "`time` must not be empty", 10, 13),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message", "line", "column"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_mistakes_are_found_and_pointed_at(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(InputError) as caught:
        parse_policy([("p.yaml", text.encode())])
    assert message in caught.value.message
    assert caught.value.details == {"file": "p.yaml", "line": line, "column": column}


def test_positive_controls() -> None:
    parse_policy([("p.yaml", HEAD.encode())])
    parse_policy([("p.yaml", RULE.encode())])
    parse_policy(
        [
            (
                "p.yaml",
                (
                    T_RULE + "      args.n: {lte: 5, gt: 0.5}\n      args.u: {under: 's3://a', absent_ok: true}\n"
                ).encode(),
            )
        ]
    )


def test_files_combine_as_a_union_and_clashes_name_the_second_file() -> None:
    tools = b"nhictl_policy: 1\ntools: {t: {}}\ntimezone: UTC\n"
    rules = b"nhictl_policy: 1\nrules:\n  - {id: A, effect: permit, match: {tools: [t]}}\n"
    assert parse_policy([("r", rules), ("t", tools)]).rule_ids == ["A"]
    for second, message, line in [
        (tools, "duplicate tool `t`", 2),
        (b"nhictl_policy: 1\ntimezone: Europe/Berlin\n", "another file says time zone `UTC`", 2),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            parse_policy([("one", tools), ("two", second)])
        assert (caught.value.details["file"], caught.value.details["line"]) == ("two", line)
    with pytest.raises(InputError, match="duplicate rule `A`") as caught:
        parse_policy([("t", tools), ("r", rules), ("s", rules)])
    assert caught.value.details == {"file": "s", "line": 3, "column": 10}
    with pytest.raises(InputError, match="no policy file"):
        parse_policy([])
