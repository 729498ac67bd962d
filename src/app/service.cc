#include "app/service.h"

namespace rh::app {

Result<void> serve(const Config&) {
    return fail(ErrorKind::internal, "not_assembled", "The service is not part of this build.");
}

}  // namespace rh::app
