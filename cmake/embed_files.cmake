# Writes OUTPUT: each of FILES (separated by |) as an array of bytes, and FUNCTION that lists them.
string(REPLACE "|" ";" FILES "${FILES}")
set(ARRAYS "")
set(ENTRIES "")
set(INDEX 0)
foreach(FILE ${FILES})
    file(READ ${FILE} HEX HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," BYTES "${HEX}")
    get_filename_component(BASENAME ${FILE} NAME)
    file(SIZE ${FILE} SIZE)
    string(APPEND ARRAYS "constexpr char kFile${INDEX}[] = {${BYTES}'\\0'};\n")
    string(APPEND ENTRIES "    {\"${BASENAME}\", {kFile${INDEX}, ${SIZE}}},\n")
    math(EXPR INDEX "${INDEX} + 1")
endforeach()
file(WRITE ${OUTPUT} "// Made by cmake/embed_files.cmake.
#include \"base/embedded.h\"
namespace {
${ARRAYS}
constexpr rh::EmbeddedFile kFiles[] = {
${ENTRIES}};
}  // namespace
namespace ${NAMESPACE} {
std::span<const rh::EmbeddedFile> ${FUNCTION}();
std::span<const rh::EmbeddedFile> ${FUNCTION}() { return kFiles; }
}  // namespace ${NAMESPACE}
")
