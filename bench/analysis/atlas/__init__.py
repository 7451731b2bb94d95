"""The atlas: what the scores on many public data sets say together, worked out of files that hold no message."""
