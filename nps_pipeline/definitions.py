"""What workspace.yaml loads."""

from nps_pipeline.build import build_defs

defs = build_defs()
