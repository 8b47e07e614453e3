"""Names of agents and workloads: SPIFFE IDs by the strict grammar (SPIFFE-ID §2), agent and instance names."""
