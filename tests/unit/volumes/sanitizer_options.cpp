// Asked by the sanitizers' run time, if the program has one.

/// HDF5 forgets small blocks where reading or writing fails, which is what these tests make it do.
extern "C" const char* __lsan_default_suppressions() { return "leak:libhdf5\n"; }

/// An impossible allocation must come back as such, as it does without the sanitizer.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
