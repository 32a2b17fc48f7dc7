"""Bodies that move: SMPL models, their motions, cameras, and the guidance maps that Champ reads.

body = load_body("SMPL_NEUTRAL.npz")                  # smpl_files; or figure.stand_in(), which needs no licence
motion = load_body_motion("dance.npz")                # files; or moves.body_move("wave", seconds=4)
placed = place(motion, body, width, height, face)     # place
for maps in body_maps(placed, body):                  # maps: depth, normal, semantic_map, dwpose, mask
    ...
"""
