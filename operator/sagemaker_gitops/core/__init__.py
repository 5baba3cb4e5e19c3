"""Pure decisions: no I/O, no clock, no logging, no environment. Everything the operator decides is decided here."""
