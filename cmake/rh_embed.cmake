# rh_embed(TARGET NAMESPACE FUNCTION file…): compiles text files into the room TARGET, as
#   std::span<const rh::EmbeddedFile> NAMESPACE::FUNCTION();   // in the order given
# (base/embedded.h). The program then needs none of its source files at run time.
set(RH_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/embed_files.cmake)
function(rh_embed TARGET NAMESPACE FUNCTION)
    set(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${FUNCTION}_embedded.cc)
    set(FILES "")
    foreach(FILE ${ARGN})
        get_filename_component(ABSOLUTE ${FILE} ABSOLUTE)
        list(APPEND FILES ${ABSOLUTE})
    endforeach()
    string(REPLACE ";" "|" JOINED "${FILES}")
    add_custom_command(OUTPUT ${OUTPUT}
        COMMAND ${CMAKE_COMMAND} -DOUTPUT=${OUTPUT} -DNAMESPACE=${NAMESPACE} -DFUNCTION=${FUNCTION}
                "-DFILES=${JOINED}" -P ${RH_EMBED_SCRIPT}
        DEPENDS ${FILES} ${RH_EMBED_SCRIPT} VERBATIM)
    target_sources(${TARGET} PRIVATE ${OUTPUT})
endfunction()
