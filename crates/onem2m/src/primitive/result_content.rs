//! What a response should carry.

use super::Operation;
use super::code::numbered;

numbered! {
    /// What a response should carry (`m2m:resultContent`, TS-0004 §6.3.4.2.7).
    pub enum ResultContent, "a result content from 0 to 10" {
        /// Nothing.
        Nothing = 0,
        /// The attributes of the resource.
        Attributes = 1,
        /// Its hierarchical address.
        HierarchicalAddress = 2,
        /// Its hierarchical address and attributes.
        HierarchicalAddressAndAttributes = 3,
        /// Its attributes and its children, nested.
        AttributesAndChildResources = 4,
        /// Its attributes and references to its children.
        AttributesAndChildResourceReferences = 5,
        /// References to its children.
        ChildResourceReferences = 6,
        /// The resource of which the target is an announcement.
        OriginalResource = 7,
        /// Its children, nested.
        ChildResources = 8,
        /// The attributes that differ from what the request gave.
        ModifiedAttributes = 9,
        /// The answer to a semantic query.
        SemanticContent = 10,
    }
}

impl ResultContent {
    /// What is meant when a request says nothing (TS-0001 table 8.1.2-1). A notification has no result
    /// content.
    pub const fn default_for(operation: Operation) -> Self {
        match operation {
            Operation::Create | Operation::Retrieve | Operation::Update => Self::Attributes,
            Operation::Delete | Operation::Notify => Self::Nothing,
        }
    }

    /// Whether a request for this operation may ask for it (TS-0001 table 8.1.2-1); if not, the answer is
    /// 4000 `BAD_REQUEST`. For a discovery see [`Self::is_allowed_for_discovery`].
    pub const fn is_allowed_for(self, operation: Operation) -> bool {
        match operation {
            Operation::Create => matches!(
                self,
                Self::Nothing
                    | Self::Attributes
                    | Self::HierarchicalAddress
                    | Self::HierarchicalAddressAndAttributes
                    | Self::ModifiedAttributes
            ),
            Operation::Retrieve => matches!(
                self,
                Self::Attributes
                    | Self::AttributesAndChildResources
                    | Self::AttributesAndChildResourceReferences
                    | Self::ChildResourceReferences
                    | Self::OriginalResource
                    | Self::ChildResources
                    | Self::SemanticContent
            ),
            Operation::Update => matches!(self, Self::Nothing | Self::Attributes | Self::ModifiedAttributes),
            Operation::Delete => matches!(
                self,
                Self::Nothing
                    | Self::Attributes
                    | Self::AttributesAndChildResources
                    | Self::AttributesAndChildResourceReferences
                    | Self::ChildResourceReferences
                    | Self::ChildResources
            ),
            Operation::Notify => false,
        }
    }

    /// Whether a RETRIEVE with the filter usage "discovery" may ask for it (TS-0001 table 8.1.2-1).
    pub const fn is_allowed_for_discovery(self) -> bool {
        matches!(self, Self::ChildResourceReferences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TS-0001 table 8.1.2-1, one row per value from 0 on: create, retrieve, update, delete, notify,
    /// discovery; `d` is the default.
    const TABLE: [&str; 11] = [
        "y-yd--", "dddy--", "y-----", "y-----", "-y-y--", "-y-y--", "-y-y-y", "-y----", "-y-y--", "y-y---",
        "-y----",
    ];

    #[test]
    fn the_whole_table() {
        assert_eq!(ResultContent::ALL.len(), TABLE.len());
        for (value, row) in ResultContent::ALL.iter().zip(TABLE) {
            let row = row.as_bytes();
            for (operation, cell) in Operation::ALL.iter().zip(row) {
                assert_eq!(value.is_allowed_for(*operation), *cell != b'-', "{value:?} {operation}");
                if *operation != Operation::Notify {
                    assert_eq!(
                        ResultContent::default_for(*operation) == *value,
                        *cell == b'd',
                        "{value:?} {operation}"
                    );
                }
            }
            assert_eq!(value.is_allowed_for_discovery(), row[5] != b'-', "{value:?}");
        }
    }
}
