"""`python -m nps_pipeline` is `nps`."""

from nps_pipeline.cli import main

main()
