"""A causal LLM fine-tuned with LoRA."""
