"""Controllers: gather, decide, apply, report. What is decided stands in `domain/`, what is built in
`specs/`."""
