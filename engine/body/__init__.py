"""Bodies that move: SMPL models, their motions, cameras, and the guidance maps that Champ reads.

body = load_body("SMPL_NEUTRAL.npz")                  # or stand_in(), which needs no licence
motion = load_body_motion("dance.npz")                # from 4D-Humans, AMASS or ourselves
placed = place(motion, body, width, height, face=face)
for maps in body_maps(placed, body, width, height):   # depth, normal, semantic_map, dwpose, mask
    ...
"""
