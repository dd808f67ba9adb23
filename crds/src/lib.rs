//! The custom resources Distribution, ImageBuilderCache and FirmwareBuild.
