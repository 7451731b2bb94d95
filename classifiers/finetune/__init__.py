"""Fine-tuning, as the encoder and LoRA backends share it."""
