"""Statistics: numbers in, numbers out; one method, one short file, with an example and its paper."""
