"""The harness: reads, splits, runs, measures, compares and reports; start with `bench.cli`."""
