"""Decides which PEs share a stage, how many replicas each stage has, and where they run."""
