"""Workflows that come with the package: real science, each a module that `d4py run` takes by name."""
