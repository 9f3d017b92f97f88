"""What recoup talks about: plain values, standard library only, no clock, no file, no chance."""
