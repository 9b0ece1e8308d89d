"""Entangled pairs: found, filtered, looked at; and the features they are found by."""
