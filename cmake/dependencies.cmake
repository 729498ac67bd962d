# Libraries come from Debian 12 (tools/packages.txt) and are linked statically, so that the program
# needs nothing but glibc at run time. libchdb alone is loaded by name, in the ClickHouse child.
set(Boost_USE_STATIC_LIBS ON)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(Threads REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)

# One imported target an archive: rh_static(NAME archive) finds lib<archive>.a.
function(rh_static NAME ARCHIVE)
    find_library(RH_LIB_${NAME} lib${ARCHIVE}.a REQUIRED)
    add_library(dep_${NAME} INTERFACE)
    target_link_libraries(dep_${NAME} INTERFACE ${RH_LIB_${NAME}} Threads::Threads ${CMAKE_DL_LIBS})
endfunction()
rh_static(sqlite sqlite3)
rh_static(zstd zstd)
rh_static(zlib z)
rh_static(crypto crypto)
rh_static(ssl ssl)
target_link_libraries(dep_ssl INTERFACE dep_crypto)
rh_static(xxhash xxhash)
add_library(dep_json INTERFACE)
target_link_libraries(dep_json INTERFACE Boost::json)
add_library(dep_url INTERFACE)
target_link_libraries(dep_url INTERFACE Boost::url)
add_library(dep_beast INTERFACE)  # header only
target_link_libraries(dep_beast INTERFACE Boost::headers Threads::Threads)
add_library(dep_cli11 INTERFACE)
target_link_libraries(dep_cli11 INTERFACE CLI11::CLI11)
add_library(dep_fmt INTERFACE)  # Debian has no static libfmt
target_compile_definitions(dep_fmt INTERFACE FMT_HEADER_ONLY)
