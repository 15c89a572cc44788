"""What must not be read by whoever reads the disk: values sealed at rest.

Owns:     the keyring, the form of a sealed value, the rotation of keys, and what may be said of an error in a log.
Answers:  what does this sealed value say, to one who has the keys?
Never:    keeps a value in plain, or knows what a value means.
Imports:  nothing of ours.
"""
