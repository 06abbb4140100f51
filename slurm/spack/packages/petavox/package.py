# A Spack recipe: `spack repo add slurm/spack && spack dev-build petavox@main` in the source directory.
from spack.package import *


class Petavox(CMakePackage):
    """From an electron-microscopy volume to a segmentation, on any number of MPI ranks, bit for bit the same."""

    license("Apache-2.0")
    version("main", no_cache=True)

    variant("onednn", default=True, description="Networks by oneDNN")

    depends_on("cxx", type="build")
    depends_on("c", type="build")
    depends_on("cmake@3.22:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("openmpi@4.1:")
    depends_on("boost@1.74: +mpi +serialization")
    depends_on("hdf5@1.10: +mpi +hl")
    depends_on("c-blosc@1.21:")
    depends_on("eigen@3.4:")
    depends_on("yaml-cpp@0.7:")
    depends_on("xxhash")
    depends_on("openssl")
    depends_on("zlib-api")
    depends_on("fftw@3.3: precision=float,double")
    depends_on("libjpeg-turbo")
    depends_on("libpng")
    depends_on("libtiff")
    depends_on("nlohmann-json@3.11:")
    depends_on("spdlog@1.10:")
    depends_on("fmt@9:")
    depends_on("cli11@2.1:")
    depends_on("highway")
    depends_on("googletest +gmock")
    depends_on("onednn", when="+onednn")

    generator("ninja")

    def cmake_args(self):
        return [
            self.define("PETAVOX_TESTS", False),
            self.define_from_variant("PETAVOX_WITH_ONEDNN", "onednn"),
        ]
