"""Pure decisions: what to do, from what is declared and what is seen. No I/O and no clock of its
own."""
