"""What crosses a process boundary: items to bytes and back, and the frames they travel in.

Start with `frame.Frame`. A mapping receives a picklable `Wire` and never knows how it encodes.
"""
