"""The forms of credentials that their issuers document, and the names that secrets go by: data, and one question about it.

Each prefix with what follows it is as its issuer's documentation says (AWS unique ids, GitHub and GitLab token formats,
Google, Slack, Stripe, npm, PyPI, Hugging Face, Vault and others); where lengths vary the shortest seen in it is the bound.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

UPPER: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
DIGIT: Final = frozenset("0123456789")
ALNUM: Final = frozenset("abcdefghijklmnopqrstuvwxyz") | UPPER | DIGIT
URL64: Final = ALNUM | frozenset("-_")
TOKEN68: Final = URL64 | frozenset("+/=.~")
WORD: Final = ALNUM | frozenset("_")


class Form(NamedTuple):
    """What follows a prefix: an alphabet and the fewest characters of it; `exact` refuses more."""

    kind: str
    alphabet: frozenset[str]
    least: int
    exact: bool = False


PREFIXED: Final[dict[str, Form]] = {
    "AKIA": Form("aws", UPPER | DIGIT, 16, exact=True),
    "ASIA": Form("aws", UPPER | DIGIT, 16, exact=True),
    "AIza": Form("google", URL64, 35, exact=True),
    "GOCSPX-": Form("google", URL64, 20),
    "ya29.": Form("google", URL64 | {"."}, 20),
    "ghp_": Form("github", ALNUM, 36),
    "gho_": Form("github", ALNUM, 36),
    "ghu_": Form("github", ALNUM, 36),
    "ghs_": Form("github", TOKEN68, 36),
    "ghr_": Form("github", ALNUM, 36),
    "github_pat_": Form("github", WORD, 40),
    "glpat-": Form("gitlab", URL64 | {"."}, 20),
    "glptt-": Form("gitlab", URL64, 20),
    "xoxb-": Form("slack", URL64, 20),
    "xoxp-": Form("slack", URL64, 20),
    "xoxa-": Form("slack", URL64, 20),
    "xoxs-": Form("slack", URL64, 20),
    "xoxe.": Form("slack", URL64 | {"."}, 20),
    "xapp-": Form("slack", URL64, 20),
    "sk_live_": Form("stripe", ALNUM, 16),
    "rk_live_": Form("stripe", ALNUM, 16),
    "sk_test_": Form("stripe", ALNUM, 16),
    "whsec_": Form("stripe", TOKEN68, 24),
    "sk-": Form("model", URL64, 20),
    "hf_": Form("huggingface", ALNUM, 30),
    "npm_": Form("npm", ALNUM, 36),
    "pypi-": Form("pypi", URL64, 50),
    "dop_v1_": Form("digitalocean", ALNUM, 64),
    "SG.": Form("sendgrid", URL64 | {"."}, 60),
    "hvs.": Form("vault", URL64, 20),
    "hvb.": Form("vault", URL64, 20),
    "dckr_pat_": Form("docker", URL64, 20),
    "shpat_": Form("shopify", ALNUM, 32),
    "AGE-SECRET-KEY-1": Form("age", UPPER | DIGIT, 50),
}
SCHEMES: Final = ("bearer", "dpop", "basic")
ENDS_VALUE: Final = frozenset(" \t\r\n\"'`,;&<>(){}[]|\\")
_NAMES: Final = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "privatekey", "accesskey", "secretkey",
    "signingkey", "encryptionkey", "accountkey", "credential", "credentials", "authorization", "proxyauthorization",
    "cookie", "setcookie", "sessionkey", "pincode", "otp", "clientassertion", "connectionstring", "recoverycode",
)  # fmt: skip
PLAIN_WORDS: Final = frozenset(
    {"", "none", "null", "nil", "true", "false", "required", "optional", "string", "bearer", "basic", "dpop"}
)


SHORTEST: Final = 20
"""Characters of the shortest credential that is known by its form alone."""


@lru_cache(4096)
def names_a_secret(name: str) -> bool:
    """Whether the value under this name is a secret: `password`, `client_secret`, `X-Api-Key`, `accessToken` and the like.

    The end of the name decides: `max_tokens`, `token_type` and `password_policy` name no secret.
    """
    plain = "".join(letter for letter in name if letter.isalnum()).lower()
    return plain.endswith(_NAMES) and len(name) <= 128 and name not in ("PWD", "OLDPWD")  # a shell's working directory
