#!/usr/bin/env python3
"""The training program: the container read back, and a training that begins with the weights of an exported model.

Also the wrapper of TorchScript programs. Exits with 77 (skipped) without NumPy; without PyTorch only the container is tested, and that is said.
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy
except ImportError:
    print("skipped: NumPy is absent")
    sys.exit(77)
try:
    import h5py
    import scipy  # noqa: F401
    import torch
except ImportError as missing:
    print(f"only the container is tested: {missing.name} is absent")
    torch = None

here = pathlib.Path(__file__).resolve().parent
program = here.parents[2] / "stages/network/train"
sys.path.insert(0, str(program))
import container  # noqa: E402


class Container(unittest.TestCase):
    def test_reads_what_it_writes(self):
        tensors = {"a.weight": numpy.arange(24, dtype=numpy.float32).reshape(2, 1, 3, 2, 2),
                   "a.bias": numpy.array([0.1, -3e-9], numpy.float32)}
        with tempfile.TemporaryDirectory() as place:
            path = f"{place}/x.pvm"
            container.write_model(path, {"name": "x"}, [{"name": "a", "op": "conv"}], tensors)
            header, read = container.read_model(path)
        self.assertEqual((header["name"], header["layers"]), ("x", [{"name": "a", "op": "conv"}]))
        self.assertEqual(set(read), set(tensors))
        for name, tensor in tensors.items():
            self.assertEqual(read[name].dtype, numpy.float32)
            numpy.testing.assert_array_equal(read[name], tensor)

    def test_refuses_what_is_no_sound_model(self):
        sound = (here / "golden.pvm").read_bytes()
        broken = {"not a model": b"hello" + sound, "version": sound[:8] + b"\2" + sound[9:], "damaged": sound[:-1],
                  "is damaged": sound[:100] + bytes([sound[100] ^ 1]) + sound[101:]}
        with tempfile.TemporaryDirectory() as place:
            path = f"{place}/x.pvm"
            for what, content in broken.items():
                pathlib.Path(path).write_bytes(content)
                with self.assertRaisesRegex(ValueError, f"{path}.*{what}"):
                    container.read_model(path)


class TorchScript(unittest.TestCase):
    """wrap_torchscript.py: a network that pools once, so that its reach is 2 * 1 + 1 voxels."""
    common = ["--mean", "128", "--deviation", "33", "--voxel-size", "10,10,10", "--license", "CC0-1.0", "--multiple", "2,2,2"]

    def wrap(self, place, *more):
        return subprocess.run([sys.executable, program / "wrap_torchscript.py", "--script", f"{place}/net.pt", "--out", f"{place}/net.pvm",
                               *self.common, *more], capture_output=True, text=True, check=False)

    def test_says_what_is_missing(self):
        with tempfile.TemporaryDirectory() as place:
            self.assertIn("net.pt", self.wrap(place, "--classes", "a", "--reach", "3,3,3", "--bytes-per-voxel", "9").stderr)

    @unittest.skipIf(torch is None, "PyTorch is absent")
    def test_wraps_what_is_as_stated_and_refuses_what_is_not(self):
        with tempfile.TemporaryDirectory() as place:
            network = torch.nn.Sequential(torch.nn.Conv3d(1, 4, 3, padding=1), torch.nn.MaxPool3d(2), torch.nn.Conv3d(4, 3, 3, padding=1),
                                          torch.nn.Upsample(scale_factor=2), torch.nn.Sigmoid())
            torch.jit.script(network).save(f"{place}/net.pt")
            for wrong, said in [(["--classes", "a,b", "--reach", "3,3,3"], "it must be"),
                                (["--classes", "a,b,c", "--reach", "3,3,1"], "further away than --reach")]:
                result = self.wrap(place, *wrong)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(said, result.stderr)
            result = self.wrap(place, "--offsets", "1,0,0 0,1,0 0,0,1", "--reach", "3,3,3")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertRegex(result.stdout, "3 channels, [1-9][0-9]* bytes a voxel")
            content = pathlib.Path(f"{place}/net.pvm").read_bytes()
            self.assertIn(pathlib.Path(f"{place}/net.pt").read_bytes(), content)
            with self.assertRaisesRegex(ValueError, "holds a program"):
                container.read_model(f"{place}/net.pvm")


@unittest.skipIf(torch is None, "PyTorch, SciPy or h5py is absent")
class Training(unittest.TestCase):
    def setUp(self):
        torch.set_num_threads(1)
        torch.manual_seed(3)
        from architecture import ARCHITECTURES, ConvNormRelu, UNet
        self.levels, self.normalized, self.unet = ARCHITECTURES["isotropic"], ConvNormRelu, UNet

    def trained(self):
        """A network whose normalisations are anything but neutral."""
        network = self.unet(self.levels, 4)
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm3d):
                    module.running_mean.normal_(0, 0.3)
                    module.running_var.uniform_(0.5, 2)
                    module.weight.normal_(1, 0.2)
                    module.bias.normal_(0, 0.2)
        return network.eval()

    def test_computes_the_same_also_while_training(self):
        network = self.trained()
        _, tensors = network.graph()
        tensors = {name: tensor.numpy() for name, tensor in tensors.items()}
        images = [torch.randn(1, 1, 16, 16, 16) for _ in range(3)]
        again = self.unet(self.levels, 4)
        again.load_tensors(tensors, images[:1])
        with torch.no_grad():
            for image in images:
                torch.testing.assert_close(again.eval()(image), network(image), rtol=1e-3, atol=1e-3)
            # Statistics of the batch are those that were measured, so the first step sees the same network.
            torch.testing.assert_close(again.train()(images[0]), network(images[0]), rtol=2e-2, atol=2e-2)

    def test_patches_thinner_than_an_offset_have_no_such_pairs(self):
        import targets
        target, known = targets.affinities(numpy.ones((4, 6, 12), int), [[1, 0, 0], [10, 0, 0], [0, 0, 10]])
        self.assertEqual([int(k.sum()) for k in known], [3 * 6 * 12, 0, 4 * 6 * 2])
        self.assertEqual(int(target.sum()), int(known.sum()))

    def test_classes_are_the_values_that_are_named_and_all_others_unknown(self):
        import targets
        target, known = targets.Classes("membrane=1,inside=2+3").target(numpy.array([[[0, 1, 2, 3, 4]]]))
        self.assertEqual(target.tolist(), [[[[0, 1, 0, 0, 0]]], [[[0, 0, 1, 1, 0]]]])
        self.assertEqual(known.tolist(), [[[[0, 1, 1, 1, 0]]]] * 2)
        self.assertEqual(targets.Classes("a,b").values, [[1], [2]])
        for wrong in ("a=1,b=1", "a=1,a=2", "=1", "a=x"):
            with self.assertRaises(SystemExit):
                targets.Classes(wrong)

    def test_changed_patches_keep_their_size(self):
        import volumes
        rng = numpy.random.default_rng(2)
        with tempfile.TemporaryDirectory() as place:
            with h5py.File(f"{place}/em.h5", "w") as file:
                file["raw"] = rng.integers(0, 255, (40, 40, 40), dtype=numpy.uint8)
                file["labels"] = rng.integers(0, 9, (40, 40, 40), dtype=numpy.uint8)
            volume = volumes.TrainingVolume(f"{place}/em.h5:/raw", f"{place}/em.h5:/labels", "0:40,:,:", objects=False)
        for preset, thinning, shape in (("isotropic", None, (24, 24, 24)), ("serial", [2, 4], (8, 32, 32)), ("serial", None, (8, 40, 40))):
            for _ in range(8):
                raw, labels = volumes.sample(volume, shape, rng, preset, thinning)
                self.assertEqual((raw.shape, labels.shape), (shape, shape))
                self.assertTrue(numpy.isfinite(raw).all())
                self.assertTrue(set(numpy.unique(labels)) <= set(range(9)))

    def test_other_layers_are_refused(self):
        _, tensors = self.trained().graph()
        tensors = {name: tensor.numpy() for name, tensor in tensors.items()}
        with self.assertRaisesRegex(ValueError, "head has weights of"):
            self.unet(self.levels, 9).load_tensors(tensors, [])
        del tensors["lift0.bias"]
        with self.assertRaisesRegex(ValueError, "lift0.bias"):
            self.unet(self.levels, 4).load_tensors(tensors, [])

    def test_the_program_goes_on_from_a_model(self):
        rng = numpy.random.default_rng(1)
        with tempfile.TemporaryDirectory() as place:
            with h5py.File(f"{place}/em.h5", "w") as file:
                file["raw"] = rng.integers(0, 255, (16, 24, 24), dtype=numpy.uint8)
                file["labels"] = numpy.kron(rng.integers(0, 5, (2, 3, 3)), numpy.ones((8, 8, 8), int)).astype(numpy.uint32)

            def train(out, *more):
                data = [f"{place}/em.h5:/raw", f"{place}/em.h5:/labels", "0:16,:,:"]
                return subprocess.run([sys.executable, program / "train.py", "--train", *data, "--validate", *data, "--patch", "8,16,16",
                                       "--batch", "1", "--out", f"{place}/{out}", *more], capture_output=True, text=True)

            first = train("first", "--steps", "2")
            self.assertEqual(first.returncode, 0, first.stderr)
            # At a rate of 0 only the statistics of the normalisations move, and the head has none.
            for precision in ("float32", "bfloat16"):
                second = train(precision, "--steps", "1", "--rate", "0", "--precision", precision, "--start", f"{place}/first/model.pvm")
                self.assertEqual(second.returncode, 0, second.stderr)
                _, old = container.read_model(f"{place}/first/model.pvm")
                _, new = container.read_model(f"{place}/{precision}/model.pvm")
                numpy.testing.assert_array_equal(new["head.weight"], old["head.weight"])
                numpy.testing.assert_allclose(new["encode0_0.weight"], old["encode0_0.weight"], rtol=0.25, atol=0.02)
            classes = train("classes", "--steps", "1", "--classes", "membrane=1,inside=2+3", "--start", f"{place}/first/model.pvm")
            self.assertEqual(classes.returncode, 0, classes.stderr)
            header, _ = container.read_model(f"{place}/classes/model.pvm")
            self.assertEqual(header["outputs"], [{"name": "classes", "layer": "result", "kind": "probabilities",
                                                  "classes": ["membrane", "inside"]}])
            (pathlib.Path(place) / "bad.pvm").write_bytes(b"PVXMODEL")
            bad = train("third", "--steps", "1", "--start", f"{place}/bad.pvm")
            self.assertEqual(bad.returncode, 1)
            self.assertIn("Cannot begin with", bad.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
