"""The engine: Boltzmann machines in numpy and scipy, without scikit-learn.

Read it in this order: :mod:`kernels` and :mod:`compiled` (loops over arrays, which may
wait), :mod:`units` (what a layer does with its field), :mod:`rbm` (two layers),
:mod:`samplers` (the negative phase), :mod:`updates` (from statistics to steps),
:mod:`data`, :mod:`teams` (threads), :mod:`vectors` (all parameters as one) and
:mod:`training` (epochs), :mod:`likelihood` (log Z and what follows from it). Then the
deep ones: :mod:`dbn`, :mod:`labels`, :mod:`updown`, :mod:`discriminative` and
:mod:`tuning`; :mod:`dbm`, :mod:`joint` and :mod:`deep_likelihood`.
"""
