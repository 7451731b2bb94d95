"""llama.cpp: batched decoding with shared prompt prefixes, sampling, label trees."""
