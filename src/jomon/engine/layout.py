"""What the compiled loop finds where: the columns and slots of the tables that Python fills in for it.

All are int64; addresses, unless a comment says otherwise.
"""

from __future__ import annotations

# A member's row in the table of members: the starts of its arrays, how many trees it has, and its kind.
NODES, ROOTS, TREE_COUNT, LEAVES, BITSETS, COEFFICIENTS, SIZES, KIND = range(8)
MEMBER_COLUMNS = 8

# The table of tables of one engine. Places of members and of fast rows are counted over all stages: the
# members of stage s stand from STARTS[s] to STARTS[s + 1]. STAGES and REPLACE are numbers.
MEMBERS, SHRINK, CODES, STARTS, FAST_CODES, FAST_VALUES, FAST_STARTS, STAGES, REPLACE = range(9)

# The first slots of a call's workspace, filled by the loop itself; COUNT and WIDTH are numbers, SLOW and FAST
# are 0 where nobody asked. Behind them, for large batches: four slots per row, what one block of rows needs,
# and a slot per member of the largest stage and three.
ROWS, COUNT, WIDTH, ROW_CODES, HAS, GIVEN, MARGIN, ANSWERED, SLOW, FAST = range(10)
CALL_SLOTS = 10

GROUPED = 48  # rows from which it pays to group them by member
BLOCK = 512  # rows that go down a tree together; their values should stay in the processor's first caches


def workspace_slots(rows: int, width: int, largest_stage: int) -> int:
    """How many int64 slots a call needs."""
    if rows < GROUPED:
        return CALL_SLOTS
    block = width * BLOCK + BLOCK + 3 * BLOCK // 2 + 4 * (BLOCK + 1)
    return CALL_SLOTS + 4 * rows + largest_stage + 3 + block
