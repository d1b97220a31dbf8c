"""The rule for what may be replicated: a PE whose code provably keeps nothing between items.

Start with `verdict.read_state`. Behind it stands a small abstract interpreter. It follows the code that `process`
reaches (`reading`, `statements`, `expressions`, `calls`); it knows of every value whether it outlives the item and,
since the PE to be judged exists, often which object it is (`values`, `objects`); and it knows what library functions do
(`calls_of_libraries`, `known_pure`). What it cannot see counts against the PE: unsure is one instance.
"""
