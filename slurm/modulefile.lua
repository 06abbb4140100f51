-- Environment module (Lmod) for an installation below `prefix`. Copy to <modules>/petavox/0.1.0.lua and set prefix.
help([[petavox: from an electron-microscopy volume to a segmentation, on any number of MPI ranks.]])
whatis("Name: petavox")
whatis("Version: 0.1.0")
local prefix = "/opt/petavox/0.1.0"
-- The MPI that it was built with must be the one that starts it.
depends_on("openmpi")
prepend_path("PATH", pathJoin(prefix, "bin"))
prepend_path("CMAKE_PREFIX_PATH", prefix)
setenv("PETAVOX_ROOT", prefix)
