"""How gates are judged. Pure: what was measured is handed in."""
