"""What `seqline plugins new` writes; words in @…@ are replaced."""
