# Volumes in HDF5 files and images. Included by the CMakeLists.txt of io.
find_package(ZLIB REQUIRED)
