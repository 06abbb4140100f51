# Volumes in HDF5 files and in images. Included by the CMakeLists.txt of io.
find_package(ZLIB REQUIRED)
petavox_add_library(chunk_copy SOURCES chunk_copy.cpp LINKS petavox_volume)
# The headers of the parallel HDF5 need those of MPI; no function of MPI is called.
petavox_add_library(hdf5
  SOURCES collective_export.cpp hdf5_attributes.cpp hdf5_chunked_file.cpp hdf5_codec.cpp hdf5_dataset.cpp
    hdf5_filters.cpp hdf5_library.cpp hdf5_listing.cpp hdf5_mappings.cpp hdf5_petavox.cpp hdf5_shard_file.cpp
    hdf5_shard_merge.cpp hdf5_shard_virtual.cpp hdf5_virtual_volume.cpp hdf5_volume.cpp
    hdf5_writer.cpp shard_set.cpp shard_writer.cpp
  LINKS petavox_io PRIVATE petavox_chunk_copy hdf5::hdf5 MPI::MPI_CXX ZLIB::ZLIB)
petavox_add_library(images
  SOURCES image_stack.cpp image_stack_jpeg.cpp image_stack_names.cpp image_stack_png.cpp image_stack_tiff.cpp
    tile_list.cpp tile_list_text.cpp tile_volumes.cpp
  LINKS petavox_io PRIVATE petavox_chunk_copy PNG::PNG TIFF::TIFF JPEG::JPEG nlohmann_json::nlohmann_json)
