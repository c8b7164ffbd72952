"""Q-MIA off chain: the exact mechanism, scoring, evidence, chain access, the operator daemon, the audit."""
