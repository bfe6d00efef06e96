"""The same equations as Triton kernels, for a GPU.

source              the plan as Triton source: a step, or the whole loop
forward, backward   the functions of either direction, on what both have in common (direction)
functions           the text that is the same for every cell
program             its kernels and how they are laid over rows and units
session             buffers and the loop over time, replayed as a CUDA graph
run                 the same behind a function that torch can differentiate

Without a GPU Triton's interpreter runs the kernels on the processor's tensors, for tests
(TRITON_INTERPRET=1).
"""
