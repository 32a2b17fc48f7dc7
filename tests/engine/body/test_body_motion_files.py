"""Body motions from the files of 4D-Humans, AMASS, AIST++ and ourselves."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from troupe.engine.body.camera import Camera
from troupe.engine.body.files import load_body_motion, save_body_motion, upright
from troupe.engine.errors import TroupeError

FACING = Rotation.from_rotvec([np.pi, 0, 0]).as_matrix()  # a body that faces a camera, in the camera's axes


def write_frames(folder, files, frames, persons=1, **more) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in frames:
        frame = files.hmr_frame(
            rng, persons if isinstance(persons, int) else persons[number], number=number, **more
        )
        np.save(folder / f"{number:04d}.npy", frame, allow_pickle=True)


def test_frames_of_4d_humans(tmp_path, files):
    write_frames(tmp_path / "clip" / "smpl_results", files, range(12))
    for path in (tmp_path / "clip", tmp_path / "clip" / "smpl_results"):
        motion = load_body_motion(path, fps=24)
        assert len(motion) == 12 and motion.fps == 24 and motion.rotations.shape[1] == 24
        assert motion.camera == Camera(15000, 512, 768)
        assert np.allclose(motion.position[:, 2], 40 + np.arange(12))
        turn = Rotation.from_rotvec([0, 0.7, 0]).as_matrix() @ FACING
        assert np.abs(motion.rotations[7, 0] - turn).max() < 1e-6
    one = load_body_motion(tmp_path / "clip" / "smpl_results" / "0003.npy")
    assert len(one) == 1 and np.allclose(one.position, motion.position[3])


def test_missing_frames_are_filled_in_time(tmp_path, files):
    write_frames(tmp_path, files, [3, 4, 8, 10])
    motion = load_body_motion(tmp_path)
    assert len(motion) == 8
    assert np.allclose(motion.position[:, 2], 40 + np.arange(3, 11), atol=1e-4)
    turn = Rotation.from_rotvec([0, 0.6, 0]).as_matrix() @ FACING
    assert np.abs(motion.rotations[3, 0] - turn).max() < 1e-5


def test_frames_are_in_the_order_of_their_numbers(tmp_path, files):
    write_frames(tmp_path, files, range(12))
    for number in range(12):
        (tmp_path / f"{number:04d}.npy").rename(tmp_path / f"{number}.npy")
    assert np.allclose(load_body_motion(tmp_path).position[:, 2], 40 + np.arange(12))


def test_one_of_several_persons(tmp_path, files):
    write_frames(tmp_path, files, range(4), persons=[2, 2, 1, 2])
    second = load_body_motion(tmp_path, person=2)
    # In frame 2 there is only one: filled from those around it.
    assert np.allclose(second.position[:, 0], 1 + 0.01 * np.arange(4), atol=1e-5)
    for person, message in ((3, "does not show person 3.*shows 2 persons.*1 to 2"), (0, "counted from 1")):
        with pytest.raises(TroupeError, match=message):
            load_body_motion(tmp_path, person=person)


def test_persons_are_followed_when_frames_list_them_in_another_order(tmp_path, files):
    """4D-Humans lists them as sure as it is of them, which changes from frame to frame."""
    rng = np.random.default_rng(1)
    for number in range(6):
        frame = files.hmr_frame(rng, 3, number=number)
        order = rng.permutation(3) if number else np.arange(3)
        frame["smpls"]["betas"][:, 0] = np.arange(3)
        frame["smpls"] = {k: v[order] for k, v in frame["smpls"].items()}
        frame["cam_t"] = [frame["cam_t"][k] for k in order]
        np.save(tmp_path / f"{number:04d}.npy", frame, allow_pickle=True)
    for person in (1, 2, 3):
        motion = load_body_motion(tmp_path, person=person)
        assert np.allclose(motion.betas[:, 0], person - 1)
        assert np.allclose(motion.position[:, 0], person - 1 + 0.01 * np.arange(6), atol=1e-5)


def test_files_of_one_person_say_so(tmp_path, files, make_motion):
    np.savez(tmp_path / "dance.npz", poses=np.zeros((4, 72)))
    save_body_motion(make_motion(), tmp_path / "ours.npz")
    write_frames(tmp_path / "frames", files, range(2))
    for name in ("dance.npz", "ours.npz", "frames"):
        with pytest.raises(TroupeError, match="does not show person 2.*shows 1 person.*Choose person 1"):
            load_body_motion(tmp_path / name, person=2)
    frame = files.hmr_frame(np.random.default_rng(0), 0)
    (tmp_path / "nobody").mkdir()
    np.save(tmp_path / "nobody" / "0000.npy", frame, allow_pickle=True)
    with pytest.raises(TroupeError, match="does not show person 1.*shows nobody"):
        load_body_motion(tmp_path / "nobody")


def test_a_group_knows_the_place_of_the_first_person_alone(tmp_path, files):
    frames = [files.hmr_frame(np.random.default_rng(0), 2, number=n) for n in range(3)]
    path = tmp_path / "smpls_group.npz"
    np.savez(path, smpl=[f["smpls"] for f in frames], camera=[f["cam_t"][0] for f in frames])
    assert np.allclose(load_body_motion(path).position[:, 0], 0.01 * np.arange(3))
    with pytest.raises(TroupeError, match="where person 2 stands.*2 persons.*folder of the frames"):
        load_body_motion(path, person=2)


def test_group(tmp_path, files):
    rng = np.random.default_rng(0)
    frames = [files.hmr_frame(rng, number=n) for n in range(5)]
    smpl, cameras = [f["smpls"] for f in frames], [f["cam_t"][0] for f in frames]
    path = tmp_path / "smpls_group.npz"
    np.savez(path, smpl=smpl, camera=cameras)
    alone = load_body_motion(path)
    assert len(alone) == 5 and np.allclose(alone.position[:, 2], 40 + np.arange(5))
    assert alone.camera == Camera(5000, 256, 256)
    # With a frame beside it the camera is known, and y that smoothing left upside down is put right.
    np.save(tmp_path / "0000.npy", frames[0], allow_pickle=True)
    beside = load_body_motion(path)
    assert beside.camera == Camera(15000, 512, 768) and np.allclose(beside.position, alone.position)
    np.savez(path, smpl=smpl, camera=[c * [1, -1, 1] for c in cameras])
    assert np.allclose(load_body_motion(path).position, alone.position)


@pytest.mark.parametrize("joints, kept", [(24, 24), (52, 22), (55, 22), (22, 22)])
@pytest.mark.parametrize("rate", ["mocap_framerate", "mocap_frame_rate", "fps"])
def test_amass(tmp_path, joints, kept, rate):
    """A room whose z is up: the body stands upright and faces us, and walks its way."""
    rng = np.random.default_rng(0)
    frames = 6
    poses = rng.normal(size=(frames, joints, 3)) * 0.2
    # In AMASS a body at rest is turned to stand on the ground: y up becomes z up; here it looks along +x.
    stand = Rotation.from_rotvec([0, 0, np.pi / 2]) * Rotation.from_rotvec([np.pi / 2, 0, 0])
    poses[:, 0] = stand.as_rotvec()
    ahead = stand.apply([0, 0, 1])
    trans = np.array([5.0, 6, 1]) + np.arange(frames)[:, None] * 0.1 * ahead
    path = tmp_path / "walk.npz"
    np.savez(
        path,
        poses=poses.reshape(frames, -1),
        trans=trans,
        betas=rng.normal(size=16),
        gender="male",
        **{rate: 120.0},
    )
    motion = load_body_motion(path)
    assert motion.fps == 120 and motion.camera is None and motion.betas.shape == (frames, 16)
    assert np.abs(motion.rotations[:, 0] - np.diag([1, -1, -1])).max() < 1e-6  # upright, facing us
    assert np.abs(motion.position - np.arange(frames)[:, None] * [0, 0, -0.1]).max() < 1e-6  # towards us
    limbs = Rotation.from_rotvec(poses[:, 1:kept].reshape(-1, 3)).as_matrix().reshape(frames, kept - 1, 3, 3)
    assert np.abs(motion.rotations[:, 1:kept] - limbs).max() < 1e-6
    assert np.abs(motion.rotations[:, kept:] - np.eye(3)).max(initial=0) < 1e-6


@pytest.mark.parametrize("up", [[0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, -1], [-1, 0, 0]])
def test_any_way_can_be_up(up):
    for seed in range(5):
        lean = Rotation.from_rotvec(np.random.default_rng(seed).normal(size=(9, 3)) * 0.2)
        room = Rotation.align_vectors([up], [[0, 1, 0]])[0] * Rotation.from_rotvec([0, seed, 0])
        bodies = (room * lean).as_matrix()
        turn = upright(bodies)
        assert np.abs(turn @ turn.T - np.eye(3)).max() < 1e-9 and np.linalg.det(turn) > 0
        turned = turn @ bodies
        assert turned[:, 1, 1].mean() < -0.9  # up is -y
        assert turned[0, 2, 2] < -0.9 and abs(turned[0, 0, 2]) < 1e-6  # looks at us


def test_camera_axes_and_bodies_that_lie_are_left_sensible():
    assert np.array_equal(upright(np.tile(FACING, (3, 1, 1))), np.eye(3))
    lying = Rotation.from_rotvec([-np.pi / 2, 0, 0]).as_matrix()[None]
    turn = upright(lying)
    assert np.abs(turn @ turn.T - np.eye(3)).max() < 1e-9 and np.linalg.det(turn) > 0


def test_aist_and_other_names(tmp_path):
    frames = 4
    poses = np.zeros((frames, 72))
    path = tmp_path / "dance.pkl"
    content = {
        "smpl_poses": poses,
        "smpl_trans": np.full((frames, 3), 93.0) * np.arange(frames)[:, None],
        "smpl_scaling": [93.0],
    }
    path.write_bytes(pickle.dumps(content))
    motion = load_body_motion(path, fps=60)
    assert motion.fps == 60
    assert np.allclose(motion.position, np.arange(frames)[:, None] * [1, -1, -1])  # y up, facing +z
    path = tmp_path / "other.npz"
    np.savez(
        path,
        global_orient=np.zeros((frames, 3)),
        body_pose=np.zeros((frames, 63)),
        transl=np.zeros((frames, 3)),
    )
    assert load_body_motion(path).rotations.shape == (frames, 24, 3, 3)
    np.savez(
        path,
        root_orient=np.tile(np.eye(3), (frames, 1, 1, 1)),
        pose_body=np.tile(np.eye(3), (frames, 23, 1, 1)),
    )
    assert np.allclose(load_body_motion(path).rotations[:, 1:], np.eye(3))


@pytest.mark.parametrize("camera", [None, Camera(1234.5, 320, 240)])
def test_our_own_files_come_back_bit_for_bit(tmp_path, make_motion, camera):
    motion = make_motion(7, fps=29.97, camera=camera)
    path = save_body_motion(motion, tmp_path / "wave.npz")
    again = load_body_motion(path)
    for name in ("rotations", "position", "betas"):
        assert np.array_equal(getattr(again, name), getattr(motion, name))
    assert again.fps == motion.fps and again.camera == motion.camera
    assert [p.name for p in tmp_path.iterdir()] == ["wave.npz"]


def test_what_cannot_be_written(tmp_path, make_motion):
    with pytest.raises(TroupeError, match="no name"):
        save_body_motion(make_motion(), tmp_path / "wave.csv")
    with pytest.raises(TroupeError, match="Cannot write"):
        save_body_motion(make_motion(), tmp_path / "nowhere" / "wave.npz")


def spoiled(files, key, value):
    frame = files.hmr_frame(np.random.default_rng(0))
    if value is None:
        del frame[key]
    else:
        frame[key] = value
    return frame


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("smpls", None, "lacks smpls"),
        ("smpls", {}, "lacks global_orient"),
        (
            "smpls",
            {
                "global_orient": np.zeros((1, 1, 3, 3)),
                "body_pose": np.zeros((1, 23, 3, 3)),
                "betas": np.zeros((1, 10)),
            },
            "no rotations",
        ),
        (
            "smpls",
            {"global_orient": np.zeros((1, 3)), "body_pose": np.zeros((1, 69)), "betas": np.zeros((1, 10))},
            "are",
        ),
        ("cam_t", [np.zeros(2)], "not of its shape"),
        ("cam_t", [np.zeros(3)] * 2, "not of its shape"),
        ("render_res", np.zeros(3), "not of its shape"),
        ("render_res", np.array([3.0, 5.0]), "out of range"),
        ("scaled_focal_length", np.array(-5.0), "out of range"),
        ("scaled_focal_length", np.array(np.nan), "out of range"),
        ("cam_t", [np.full(3, np.nan)], "must be numbers"),
    ],
)
def test_frames_that_are_none(tmp_path, files, key, value, message):
    np.save(tmp_path / "0000.npy", spoiled(files, key, value), allow_pickle=True)
    with pytest.raises(TroupeError, match=message):
        load_body_motion(tmp_path)


def test_what_is_no_motion_file(tmp_path, files):
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "other.npz", picture=np.zeros(3))
    np.savez(tmp_path / "short.npz", poses=np.zeros((4, 30)))
    np.savez(tmp_path / "odd.npz", poses=np.zeros((4, 71)))
    np.savez(tmp_path / "lengths.npz", poses=np.zeros((4, 72)), trans=np.zeros((5, 3)))
    np.savez(tmp_path / "nan.npz", poses=np.full((4, 72), np.nan))
    np.savez(tmp_path / "rate.npz", poses=np.zeros((4, 72)), fps=0.0)
    np.savez(tmp_path / "text.npz", poses=np.array("hello"))
    np.savez(tmp_path / "group.npz", smpl=np.array([1, 2], object), camera=np.zeros((2, 3)))
    np.savez(tmp_path / "cameras.npz", smpl=np.array([{}, {}], object), camera=np.zeros((5, 3)))
    np.savez(tmp_path / "ours.npz", format="else", rotations=np.zeros((1, 24, 3, 3)))
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1]))
    (tmp_path / "film.bvh").write_text("HIERARCHY")
    for name, message in (
        ("empty", "no .npy files"), ("other.npz", "lacks 'poses'"), ("short.npz", "at least 22"), ("odd.npz", "poses are"),
        ("lengths.npz", "places"), ("nan.npz", "no numbers"), ("rate.npz", "frame rate"), ("text.npz", "does not hold numbers"),
        ("group.npz", "no dictionary"), ("cameras.npz", "camera places"), ("ours.npz", "format is 'else'"),
        ("list.pkl", "holds a list"), ("film.bvh", "known are"), ("gone.npz", "No such file"),
    ):  # fmt: skip
        with pytest.raises(TroupeError, match=message):
            load_body_motion(tmp_path / name)


def test_frames_of_two_clips_are_refused(tmp_path, files):
    write_frames(tmp_path, files, range(2))
    write_frames(tmp_path, files, range(2, 3), size=(640, 480))
    with pytest.raises(TroupeError, match="changes its camera"):
        load_body_motion(tmp_path)


def test_a_number_too_far_takes_no_memory(tmp_path, files):
    write_frames(tmp_path, files, [0, 1])
    (tmp_path / "0001.npy").rename(tmp_path / "900000000.npy")
    with pytest.raises(TroupeError, match="too long"):
        load_body_motion(tmp_path)
