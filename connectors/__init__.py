"""The outside world: what each source serves. No Dagster, no warehouse, nothing under NPS_HOME but the inbox."""
