"""Trusts in foreign issuers: the file, what lint says, and what a token has to be."""
