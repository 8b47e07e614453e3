"""Tests of core/ledger."""
