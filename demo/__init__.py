"""Private servers and a sample feed: what `make demo` and the tests run on."""
