# Every target is compiled with these; a warning is an error from the first commit on.
add_library(rh_flags INTERFACE)
target_compile_options(rh_flags INTERFACE
    -Wall -Wextra -Wconversion -Wshadow -Wswitch-enum -Wunused-result -Wnon-virtual-dtor
    -Wthread-safety -Werror -fno-omit-frame-pointer)
target_compile_options(rh_flags INTERFACE $<$<CONFIG:Release>:-O3 -g1>)
target_compile_options(rh_flags INTERFACE $<$<CONFIG:Debug>:-O1 -g>)
target_compile_definitions(rh_flags INTERFACE BOOST_ASIO_NO_DEPRECATED)
target_link_options(rh_flags INTERFACE -fuse-ld=lld)

set(RH_SANITIZE "" CACHE STRING "sanitizers, as -fsanitize takes them")
if(RH_SANITIZE)
    target_compile_options(rh_flags INTERFACE -fsanitize=${RH_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(rh_flags INTERFACE -fsanitize=${RH_SANITIZE})
else()
    target_link_options(rh_flags INTERFACE -static-libstdc++ -static-libgcc)
endif()
