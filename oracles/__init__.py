"""Q-MIA off chain: mechanism, scoring, evidence, chain access, the operators' daemon, the audit."""
