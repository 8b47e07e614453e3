"""The general vocabulary by which names of tools and arguments are read: English verbs, and nouns of APIs. No names of
products, people or systems stand here; a word that means two things stands nowhere.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ACTS", "IDENTITY", "INSTANT", "PROSE", "QUANTITY", "READS", "SECRET", "pieces"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


READS: Final = _words(
    "get list read search find fetch lookup show view check count describe inspect browse retrieve peek stat exists "
    "head grep glob ls cat diff status whoami compare calculate compute estimate"
)
ACTS: Final = _words(
    "send post put write create add append insert update set change edit modify patch replace rename move copy delete "
    "remove drop clear purge destroy cancel revoke invite share grant assign reserve book buy order pay transfer "
    "schedule reschedule submit publish upload deploy execute exec run start stop restart kill open close merge push "
    "commit approve reject sign enable disable install uninstall register unregister subscribe unsubscribe reply "
    "forward notify message call invoke release lock unlock archive restore import export reset rotate"
)
IDENTITY: Final = _words(
    "to cc bcc recipient recipients receiver receivers sender user users username member members participant "
    "participants attendee attendees invitee invitees guest guests assignee assignees reviewer reviewers owner owners "
    "contact contacts person people email emails mail mailbox address addresses account accounts iban bic swift payee "
    "payees payer beneficiary customer customers client vendor supplier company companies url urls uri uris link links "
    "host hosts hostname domain endpoint server servers webhook channel channels room rooms group groups team teams "
    "bucket queue path paths file files filename filenames folder folders directory dir repo repository branch project "
    "workspace table database schema namespace cluster region destination destinations dest target targets id ids uuid "
    "guid key keys handle number phone device command cmd script code"
)
SECRET: Final = _words("password passwd passphrase secret secrets credential credentials pin apikey")
PROSE: Final = _words(
    "body content contents text message msg description desc comment comments note notes memo subject title headline "
    "summary reason caption question remark remarks details explanation reply feedback review"
)
INSTANT: Final = _words(
    "date dates time times day start end since until deadline when timestamp month year due expiry expires"
)
QUANTITY: Final = _words("amount price sum total quantity qty count limit size max min rate cost budget balance")


def pieces(name: str) -> list[str]:
    """The words of a name, in lower case: `userEmail`, `user_email` and `user-email` are `user`, `email`."""
    made: list[str] = []
    word = ""
    before = ""
    for letter in name[:256]:
        if not letter.isalnum():
            made.append(word)
            word = ""
        elif letter.isupper() and before.islower():
            made.append(word)
            word = letter
        else:
            word += letter
        before = letter
    made.append(word)
    return [each.lower() for each in made if each]
