"""The speed benchmark: what people write against what the backends do, as ratios measured in one run.

Machines are shared and noisy, so no single time is quoted: every round runs every variant once, each in a
process of its own, and what is reported is the median over rounds and its ratio to the first variant.
"""
