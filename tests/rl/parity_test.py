"""Steps Gymnasium's environments and Manta's with the same random actions, and compares everything.

usage: parity_test.py RL_PARITY FOLDER ...   FOLDERs: what cmake/deps.sh rl and cmake/deps.sh python unpacked

Exactly equal: terminated, truncated, rewards (float32), which episodes end and how long they are, and the observations
of MountainCar, MountainCarContinuous and HalfCheetah. Other observations and Pendulum's rewards depend on the last bit of
sines, which differs between NumPy's and the C library's: 1e-6 relative, or 1e-7 where they are below 0.1.
"""

import os
import subprocess
import sys
import tempfile
import types

program, *folders = map(os.path.abspath, sys.argv[1:])
sys.path[:0] = folders
for name in ("glfw", "imageio"):  # Gymnasium imports them to show MuJoCo's bodies, which this test does not
    sys.modules[name] = types.ModuleType(name)
try:
    import gymnasium
    import mujoco
    import numpy as np
except ImportError as error:
    print(f"parity_test: skipped: {error}. cmake/deps.sh rl python gets it.")
    sys.exit(77)

NUM_ENVS, SEED = 3, 20
STEPS = {"CartPole-v1": 3000, "Acrobot-v1": 2500, "MountainCar-v0": 1500, "MountainCarContinuous-v0": 3000,
         "Pendulum-v1": 1500, "HalfCheetah-v5": 1200}
REACHABLE = {"Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0"}
EXACT = {"MountainCar-v0", "MountainCarContinuous-v0", "HalfCheetah-v5"}
MODES = {"next_step": gymnasium.vector.AutoresetMode.NEXT_STEP, "same_step": gymnasium.vector.AutoresetMode.SAME_STEP,
         "disabled": gymnasium.vector.AutoresetMode.DISABLED}
largest = {}  # difference of an observation, per environment


def choose_actions(space, steps, random):
    """Random ones; where they are numbers, some lie outside the bounds, and some episodes reach the goal."""
    if isinstance(space, gymnasium.spaces.Discrete):
        held = random.integers(0, space.n, (steps, NUM_ENVS))
        repeat = random.integers(1, 12)  # swings higher than pure noise
        return np.repeat(held[::repeat], repeat, axis=0)[:steps].astype(np.int64)
    shape = (steps, NUM_ENVS, space.shape[0])
    return (random.uniform(-1.2, 1.2, shape) * space.high).astype(np.float32)


def climbing(env_id, observation, actions):
    """Pushes the way the car rolls or the arm swings: it reaches the goal, which noise does not."""
    pushes = np.where(observation[:, 5 if env_id == "Acrobot-v1" else 1] >= 0, 1, -1)
    if actions.dtype == np.int64:
        return (pushes + 1).astype(np.int64)
    return (np.abs(actions[:, 0]) * pushes)[:, None].astype(np.float32)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, dtype, *shape):
        values = np.frombuffer(self.data, dtype, int(np.prod(shape)), self.at).reshape(shape)
        self.at += values.nbytes
        return values


def compare(env_id, what, ours, theirs):
    theirs = np.asarray(theirs).astype(np.float32)
    scale = np.maximum(np.abs(theirs.astype(np.float64)), 0.1)
    difference = float(np.max(np.abs(ours.astype(np.float64) - theirs) / scale, initial=0))
    largest[env_id] = max(largest.get(env_id, 0), difference)
    if env_id in EXACT:
        np.testing.assert_array_equal(ours, theirs, f"{env_id}: {what}")
    else:
        assert difference <= 1e-6, f"{env_id}: {what}: {ours} is not {theirs}"


def record(env_id, mode, steps, random):
    """Steps Gymnasium. Returns the actions, and what is expected in the order in which Manta's program writes it."""
    plain = gymnasium.make_vec(env_id, NUM_ENVS, vectorization_mode="sync", vector_kwargs={"autoreset_mode": MODES[mode]})
    # With `disabled` it would forget the other environments too: SyncVectorEnv has taken the mask out of the options.
    env = plain if mode == "disabled" else gymnasium.wrappers.vector.RecordEpisodeStatistics(plain)
    returns, lengths = np.zeros(NUM_ENVS), np.zeros(NUM_ENVS)
    observation, _ = env.reset(seed=SEED)
    actions, expected = choose_actions(env.single_action_space, steps, random), [observation.copy()]
    for step in range(steps):
        if env_id in REACHABLE and step >= steps // 3:
            actions[step] = climbing(env_id, observation, actions[step])
        action = actions[step]
        observation, reward, terminated, truncated, info = env.step(action)
        ended = terminated | truncated
        final = info["final_obs"] if "final_obs" in info else None
        after = None
        if mode == "disabled":
            returns, lengths = returns + reward, lengths + 1
            episodes = [(i, returns[i], lengths[i]) for i in np.flatnonzero(ended)]
            returns[ended] = lengths[ended] = 0
            if ended.any():
                after, _ = env.reset(options={"reset_mask": ended.copy()})
        else:
            episodes = [(i, info["episode"]["r"][i], info["episode"]["l"][i]) for i in np.flatnonzero(ended)]
        expected.append((observation.copy(), reward, terminated, truncated, final, episodes, after))
        observation = observation if after is None else after
    env.close()
    return actions, expected


def check(env_id, mode, random):
    steps = STEPS[env_id]
    actions, expected = record(env_id, mode, steps, random)
    run = subprocess.run([program, env_id, str(NUM_ENVS), mode, str(SEED)], input=actions.tobytes(), capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    out = Reader(run.stdout)
    size = expected[0].shape[1]
    compare(env_id, "first observation", out.take(np.float32, NUM_ENVS, size), expected[0])
    ends = 0
    for step, (observation, reward, terminated, truncated, final, episodes, after) in enumerate(expected[1:]):
        where = f"{mode}, step {step}"
        compare(env_id, f"observation, {where}", out.take(np.float32, NUM_ENVS, size), observation)
        our_reward = out.take(np.float32, NUM_ENVS)
        if env_id == "Pendulum-v1":  # a cost of angles: as exact as they are
            np.testing.assert_allclose(our_reward, reward, rtol=1e-6, atol=1e-7, err_msg=where)
        else:
            np.testing.assert_array_equal(our_reward, reward.astype(np.float32), f"{env_id}: reward, {where}")
        for name, theirs in (("terminated", terminated), ("truncated", truncated)):
            np.testing.assert_array_equal(out.take(np.uint8, NUM_ENVS), theirs, f"{env_id}: {name}, {where}")
        finals = out.take(np.float32, NUM_ENVS, size)
        for i in [] if final is None else np.flatnonzero(terminated | truncated):
            compare(env_id, f"final observation, {where}", finals[i], final[i])
        count = int(out.take(np.float64, 1)[0])
        assert count == len(episodes), f"{env_id}: {where}: {count} episodes, not {len(episodes)}"
        for ours, theirs in zip(out.take(np.float64, count, 3), episodes):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, err_msg=f"{env_id}: episode, {where}")
        ends += count
        if after is not None:
            compare(env_id, f"observation after reset, {where}", out.take(np.float32, NUM_ENVS, size), after)
    assert out.at == len(run.stdout), f"{env_id}: {len(run.stdout) - out.at} bytes too many"
    assert ends >= NUM_ENVS, f"{env_id}: only {ends} episodes ended: nothing was seen of resets"
    assert env_id not in REACHABLE or any(step[2].any() for step in expected[1:]), f"{env_id}: no goal was reached"
    return ends


def check_normalized(env_id, random):
    """NormalizeObservation and NormalizeReward; Gymnasium keeps its statistics in single precision, Manta in double."""
    steps = 1000
    env = gymnasium.make_vec(env_id, NUM_ENVS, vectorization_mode="sync")
    env = gymnasium.wrappers.vector.NormalizeReward(gymnasium.wrappers.vector.NormalizeObservation(env))
    actions = choose_actions(env.single_action_space, steps, random)
    command = [program, env_id, str(NUM_ENVS), "next_step", str(SEED), "normalize"]
    out = Reader(subprocess.run(command, input=actions.tobytes(), capture_output=True, check=True).stdout)
    observation, _ = env.reset(seed=SEED)
    size = observation.shape[1]
    np.testing.assert_allclose(out.take(np.float32, NUM_ENVS, size), observation, rtol=1e-3, atol=1e-3)
    for step in range(steps):
        observation, reward, *_ = env.step(actions[step])
        where = f"{env_id}, normalised, step {step}"
        np.testing.assert_allclose(out.take(np.float32, NUM_ENVS, size), observation, 1e-3, 1e-3, err_msg=where)
        np.testing.assert_allclose(out.take(np.float32, NUM_ENVS), reward, 1e-4, 1e-4, err_msg=where)
        out.take(np.uint8, 2 * NUM_ENVS), out.take(np.float32, NUM_ENVS, size)
        out.take(np.float64, 3 * int(out.take(np.float64, 1)[0]))


def check_generator():
    """Rng draws NumPy's numbers, all bits of them; a million normal ones see every layer of the ziggurat and its tail."""
    for seed, count in ((0, 1000), (2**32 - 1, 1000), (2**64 - 1, 1000), (12345, 1000000)):
        ours = np.frombuffer(subprocess.run([program, "rng", str(seed), str(count)], capture_output=True).stdout)
        theirs = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        np.testing.assert_array_equal(ours[:count], theirs.random(count), f"uniform, seed {seed}")
        np.testing.assert_array_equal(ours[count:], theirs.standard_normal(count), f"normal, seed {seed}")


def main():
    check_generator()
    for env_id in ("CartPole-v1", "MountainCarContinuous-v0", "HalfCheetah-v5"):
        check_normalized(env_id, np.random.default_rng(9))
    for env_id in STEPS:
        ends = [check(env_id, mode, np.random.default_rng(index)) for index, mode in enumerate(MODES)]
        print(f"{env_id}: {STEPS[env_id] * NUM_ENVS} steps in each mode, {ends} episodes, "
              f"largest difference of an observation {largest[env_id]:.2g}")


with tempfile.TemporaryDirectory() as scratch:  # MuJoCo writes a log into the current folder
    os.chdir(scratch)
    main()
